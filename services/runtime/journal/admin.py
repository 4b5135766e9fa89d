# ruff: noqa: D102 - the methods are kafka-python's
"""What of KafkaAdminClient clients.admin asks, of a log in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kafka import TopicPartition
from kafka.errors import NoError
from kafka.structs import OffsetAndMetadata

if TYPE_CHECKING:
    from services.runtime.journal.extents import PartitionLog
    from services.runtime.journal.reader import Group, Topic


class Files(Protocol):
    """What is asked, and told."""

    @property
    def topics(self) -> Mapping[str, Topic]: ...
    def group(self, name: str) -> Group: ...
    def log_of(self, place: TopicPartition) -> PartitionLog: ...
    def set_topics(self, partitions: Mapping[str, int]) -> None: ...
    def set_starts(self, before: Mapping[TopicPartition, int]) -> None: ...
    def set_offsets(self, group: Group, offsets: Mapping[TopicPartition, int]) -> None: ...


class JournalAdmin:
    """Its names are kafka-python's, and the shapes of its answers."""

    def __init__(self, cluster: Files) -> None:
        self._cluster = cluster

    def list_topics(self) -> list[str]:
        return list(self._cluster.topics)

    def describe_topics(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "topic_id": topic.id, "partitions": list(range(len(topic.partitions)))}
            for name, topic in self._cluster.topics.items()
        ]

    def create_topics(self, wanted: Mapping[str, Mapping[str, Any]], wait_for_metadata: bool = True) -> None:
        self._cluster.set_topics({name: how["num_partitions"] for name, how in wanted.items()})

    def create_partitions(self, wanted: Mapping[str, int]) -> None:
        self._cluster.set_topics(wanted)

    def describe_log_dirs(self) -> list[dict[str, Any]]:
        topics = [
            {
                "name": name,
                "partitions": [
                    {
                        "partition_index": p,
                        "partition_size": self._cluster.log_of(TopicPartition(name, p)).num_bytes,
                    }
                    for p in range(len(topic.partitions))
                ],
            }
            for name, topic in self._cluster.topics.items()
        ]
        return [{"log_dirs": [{"topics": topics}]}]

    def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """They are not read any more; the file keeps its size."""
        self._cluster.set_starts(before)

    def list_group_offsets(self, names: Sequence[str]) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        return {
            name: {
                tp: OffsetAndMetadata(offset, "", -1)
                for tp, offset in self._cluster.group(name).committed.items()
            }
            for name in names
        }

    def describe_groups(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {name: {"members": sorted(self._cluster.group(name).members)} for name in names}

    def remove_group_members(self, group: str, members: Iterable[Any]) -> None:
        """Those of other processes were never known."""

    def alter_group_offsets(
        self, name: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> dict[TopicPartition, type[Exception]]:
        group = self._cluster.group(name)
        self._cluster.set_offsets(group, {tp: mark.offset for tp, mark in offsets.items()})
        return dict.fromkeys(offsets, NoError)

    def close(self) -> None:
        """There is no connection."""
