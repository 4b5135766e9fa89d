# ruff: noqa: D102 - the methods are kafka-python's
"""The seam between the loops and Kafka: what they need of its clients, and the real ones.

The names are kafka-python's, so that the real clients need no wrapping; `services.runtime.journal` and
`tests/memory_broker.py` are the other sides, held to the same contract by `tests/contract/test_broker.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from kafka import TopicPartition

from services.runtime.clients import kafka
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.settings import Settings


class Consumer(Protocol):
    """A reader in a group, or of partitions that it is told; see KafkaConsumer and GroupConsumer."""

    def subscribe(self, topics: Sequence[str], listener: Any = None) -> None: ...
    def poll(
        self, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]: ...
    def assignment(self) -> set[TopicPartition]: ...
    def partitions_for_topic(self, topic: str) -> set[int] | None: ...
    def topic_id(self, topic: str) -> str: ...
    def topic_ids(self) -> dict[str, str]: ...
    def committed_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...
    def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None: ...
    def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]: ...
    def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def position(self, partition: TopicPartition) -> int | None: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def paused(self) -> set[TopicPartition]: ...
    def group_metadata(self) -> Any: ...
    def wake(self) -> None: ...
    def close(self, autocommit: bool = True, timeout_ms: int | None = None) -> None: ...


class Producer(Protocol):
    """A transactional writer; see KafkaProducer."""

    def init_transactions(self) -> None: ...
    def begin_transaction(self) -> None: ...
    def send(
        self,
        topic: str,
        value: bytes | None = None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Any: ...
    def partitions_for(self, topic: str) -> set[int] | None: ...
    def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, Any], member: Any) -> None: ...
    def commit_transaction(self) -> None: ...
    def fenced(self) -> bool: ...
    def close(self, timeout: float | None = None) -> None: ...


class Broker(Protocol):
    """Makes the clients of one process. Each raises KafkaError or DependencyDown while Kafka is away."""

    def consumer(
        self,
        group: str,
        *,
        instance: str = "",
        lanes: bool = False,
        gathers: bool = False,
        batch_seconds: float = 300.0,
    ) -> Consumer: ...
    def producer(self, transactional_id: str) -> Producer: ...
    def log(self) -> Log: ...
    def topic_ids(self) -> dict[str, str]: ...


def static_member(instance: str, topics: Collection[str]) -> str:
    """A member's stable name. It holds what the member reads: one that comes back under its name gets its
    former partitions, whatever it subscribes to now, and nobody notices that others are wanted.
    """
    return f"{instance}-{zlib.crc32(' '.join(sorted(topics)).encode()):08x}"


class KafkaBroker:
    """The one that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def consumer(
        self,
        group: str,
        *,
        instance: str = "",
        lanes: bool = False,
        gathers: bool = False,
        batch_seconds: float = 300.0,
    ) -> Consumer:
        """See clients.kafka.consumer."""
        made: Consumer = kafka.consumer(
            self._settings,
            group,
            instance=instance,
            lanes=lanes,
            gathers=gathers,
            batch_seconds=batch_seconds,
        )
        return made

    def producer(self, transactional_id: str) -> Producer:
        """See clients.kafka.producer."""
        made: Producer = kafka.producer(self._settings, transactional_id)
        return made

    def log(self) -> Log:
        """See Log."""
        return Log(self._settings)

    def topic_ids(self) -> dict[str, str]:
        """Kafka's id of every topic there is, by name."""
        with Admin(self._settings) as admin:
            return admin.topic_ids()
