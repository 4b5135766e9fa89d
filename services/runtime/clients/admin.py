"""What is asked of the Kafka cluster itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kafka import TopicPartition
from kafka.admin import MemberToRemove
from kafka.errors import (
    KafkaError,
    NoError,
    NonEmptyGroupError,
    NotCoordinatorError,
    RebalanceInProgressError,
    TopicAlreadyExistsError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from services.runtime.clients.kafka import GROUP_PREFIX, admin, patiently
from services.runtime.clients.reach import admitted
from services.runtime.errors import DependencyDown
from services.runtime.settings import Settings
from services.runtime.topology import Topic

T = TypeVar("T")

_BOOTSTRAP_MS = 20_000  # a broker that was killed twice is there again; a wrong address is told soon enough


class Admin:
    """What is asked of the cluster itself. A context manager. Raises DependencyDown when it is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        admitted(settings.kafka)
        self._client = self._connected()

    def _connected(self) -> Any:
        try:
            return admin(self._settings, bootstrap_ms=_BOOTSTRAP_MS)
        except KafkaError as error:
            raise DependencyDown(f"Kafka at {self._settings.kafka.bootstrap_servers}", error) from error

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def create_topics(self, topics: Iterable[Topic]) -> None:
        """Make those that are not there."""
        self._ask(lambda _: self._create(topics))

    def _create(self, topics: Iterable[Topic]) -> None:
        existing = set(self._client.list_topics())
        kafka = self._settings.kafka
        wanted = {
            topic.name: {
                "num_partitions": 1 if topic.by == "one" else getattr(self._settings, topic.by),
                "replication_factor": kafka.replication_factor,
                "configs": {
                    **({"cleanup.policy": "compact"} if topic.compact else {"retention.ms": "-1"}),
                    # Of three replicas two have what is acknowledged, and one may be away.
                    "min.insync.replicas": str((kafka.replication_factor + 1) // 2),
                },
            }
            for topic in topics
            if topic.name not in existing
        }
        if not wanted:
            return
        # another process may make them at the same moment
        with contextlib.suppress(TopicAlreadyExistsError):
            self._client.create_topics(wanted, wait_for_metadata=True)

    def grow_topics(self, topics: Iterable[Topic]) -> None:
        """Give topics by lanes as many partitions as the settings name; none is ever taken away."""
        lanes = self._settings.lanes
        has = {
            topic["name"]: len(topic["partitions"])
            for topic in self._ask(lambda client: client.describe_topics())
        }
        few = {t.name: lanes for t in topics if t.by == "lanes" and has.get(t.name, lanes) < lanes}
        if few:
            self._ask(lambda client: client.create_partitions(few))

    def topic_ids(self) -> dict[str, str]:
        """Kafka's id of every topic there is, by name: a topic made anew has another."""
        found = self._ask(lambda client: client.describe_topics())
        return {topic["name"]: str(topic["topic_id"]) for topic in found}

    def sizes(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> bytes of its log on one broker's disk; of replicas the largest."""
        found: dict[tuple[str, int], int] = {}
        for broker in self._ask(lambda client: client.describe_log_dirs()):
            for topic in (topic for folder in broker["log_dirs"] for topic in folder["topics"]):
                for log in topic["partitions"]:
                    place = topic["name"], log["partition_index"]
                    found[place] = max(found.get(place, 0), log["partition_size"])
        return found

    def delete_records(self, before: Mapping[tuple[str, int], int]) -> None:
        """Let the log of each (topic, partition) begin at an offset; what lies before it is gone."""
        marks = {TopicPartition(*tp): offset for tp, offset in before.items()}
        if marks:
            self._ask(lambda client: client.delete_records(marks))

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset of the next message the group will read."""
        return self.all_committed([group])[group]

    def all_committed(self, groups: Sequence[str]) -> dict[str, dict[tuple[str, int], int]]:
        """The same of several groups, in one request."""
        names = [GROUP_PREFIX + group for group in groups]
        found = self._ask(lambda client: client.list_group_offsets(names)) if names else {}
        return {
            group: {(tp.topic, tp.partition): o.offset for tp, o in found[name].items() if o.offset >= 0}
            for group, name in zip(groups, names, strict=True)
        }

    def members(self, group: str) -> int:
        """How many processes are in the group; one that just went counts until its session is over."""
        name = GROUP_PREFIX + group
        found = self._ask(lambda client: client.describe_groups([name])[name])
        return len(found["members"])

    def dismiss(self, group: str, members: Iterable[str]) -> None:
        """Take members that have gone for good, by their stable names, out of a group before their time."""
        gone = [MemberToRemove(group_instance_id=f"{group}-{name}") for name in members]
        self._ask(lambda client: client.remove_group_members(GROUP_PREFIX + group, gone))

    def set_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> bool:
        """Set a group's offsets from outside. False, and nothing is set, while it has members."""
        name = GROUP_PREFIX + group
        marks = {TopicPartition(*tp): OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}

        def set_all(client: Any) -> bool:
            errors = set(client.alter_group_offsets(name, marks).values()) - {NoError}
            if errors & {UnknownMemberIdError, NonEmptyGroupError, RebalanceInProgressError}:
                return False
            for error in errors:
                raise error()
            return True

        return self._ask(set_all)

    def _ask(self, ask: Callable[[Any], T]) -> T:
        """See patiently. A client that has found a coordinator asks no other, so that a new one does."""

        def once() -> T:
            try:
                return ask(self._client)
            except NotCoordinatorError:
                self._client.close()
                self._client = self._connected()
                raise

        return patiently(once)
