# ruff: noqa: D102 - the methods are kafka-python's
"""A consumer of a log in this process, in a group or outside of any; see clients.broker.Consumer.

Groups are of this process. A rebalance is over when every member has polled. Nothing waits: a poll returns
what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, Protocol

from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from kafka.structs import OffsetAndTimestamp

from services.runtime.journal.batches import Record
from services.runtime.journal.extents import PartitionLog

_MOST = 1000  # records of a poll
_NUMBERS = count(1)


class Member(NamedTuple):
    """What group_metadata returns."""

    group_id: str
    member_id: int
    generation_id: int


@dataclass
class Topic:
    """id: a topic made anew has another."""

    partitions: Sequence[PartitionLog]
    id: str


@dataclass
class Group:
    """members: by number. joined: those that have polled since the last change."""

    name: str
    generation: int = 0
    members: set[int] = field(default_factory=set)
    joined: set[int] = field(default_factory=set)
    committed: dict[TopicPartition, int] = field(default_factory=dict)

    def check(self, member: Member) -> None:
        """Raises CommitFailedError."""
        if member.member_id not in self.members or member.generation_id != self.generation:
            raise CommitFailedError(f"{member} is not of generation {self.generation}")

    def join(self, number: int) -> None:
        self.members.add(number)
        self.change()

    def change(self) -> None:
        """Its members share the partitions anew, once each has polled."""
        self.joined = set()

    def leave(self, number: int) -> None:
        """Or as when it has not been heard of for the session timeout."""
        self.members.discard(number)
        self.generation += 1
        self.change()


class Cluster(Protocol):
    """What a reader reads."""

    @property
    def topics(self) -> Mapping[str, Topic]: ...
    def group(self, name: str) -> Group: ...
    def set_offsets(self, group: Group, offsets: Mapping[TopicPartition, int]) -> None: ...


def log_of(cluster: Cluster, place: TopicPartition) -> PartitionLog:
    """Raises KafkaError: there is no such partition."""
    topic = cluster.topics.get(place.topic)
    if topic is None or place.partition >= len(topic.partitions):
        raise KafkaError(f"{place} does not exist")
    found: PartitionLog = topic.partitions[place.partition]
    return found


class Reader:
    """See Consumer. group: None where it is told what to read. gathers: the first member has all."""

    def __init__(self, cluster: Cluster, group: str | None, *, gathers: bool = False) -> None:
        self._cluster = cluster
        self._group = None if group is None else cluster.group(group)
        self.number = next(_NUMBERS)
        self._gathers = gathers
        self._topics: list[str] = []
        self._listener: Any = None
        self._generation = -1
        self._positions: dict[TopicPartition, int | None] = {}
        self._paused: set[TopicPartition] = set()

    @property
    def _own(self) -> Group:
        assert self._group is not None
        return self._group

    def subscribe(self, topics: Sequence[str], listener: Any = None) -> None:
        self._topics, self._listener = list(topics), listener

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        self._positions = {tp: self._positions.get(tp) for tp in partitions}

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, list[Record]]:
        if self._group is not None and not self._take_part(self._group):
            return {}
        if missing := {tp for tp, position in self._positions.items() if position is None}:
            raise NoOffsetForPartitionError(missing)
        found: dict[TopicPartition, list[Record]] = {}
        room = max_records or _MOST
        for tp in [tp for tp in self._positions if tp not in self._paused]:
            if records := self._read(tp, room):
                found[tp] = records
                room -= len(records)
        return found

    def _read(self, tp: TopicPartition, room: int) -> list[Record]:
        log, position = log_of(self._cluster, tp), self._positions[tp]
        assert position is not None
        if not log.start <= position <= log.end:
            if self._group is not None:
                raise OffsetOutOfRangeError({tp: position})
            position = log.start
        records, self._positions[tp] = log.read(position, room)
        return list(records)

    def _take_part(self, group: Group) -> bool:
        """Join, or follow a rebalance; whether partitions are held."""
        if self.number not in group.members:
            if self._positions:
                self._listener.on_partitions_lost(sorted(self._positions))
                self._positions = {}
            group.join(self.number)
        if self._generation == group.generation and len(group.joined) == len(group.members):
            return True
        if self.number not in group.joined:
            if self._positions:
                self._listener.on_partitions_revoked(sorted(self._positions))
            group.joined.add(self.number)
            self._generation = -1
            if len(group.joined) == len(group.members):
                group.generation += 1
        if len(group.joined) < len(group.members):
            return False
        self._generation = group.generation
        self._positions = {tp: group.committed.get(tp) for tp in self._share(group)}
        self._paused = set()
        self._listener.on_partitions_assigned(sorted(self._positions))
        return True

    def _share(self, group: Group) -> list[TopicPartition]:
        """By range, as lanes are; or all for the first."""
        members = sorted(group.members)
        at, number = members.index(self.number), 1 if self._gathers else len(members)
        found = []
        for topic in self._topics:
            known = self._cluster.topics.get(topic)
            size = len(known.partitions) if known else 0
            found += [TopicPartition(topic, p) for p in range(size) if p * number // max(size, 1) == at]
        return found

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def topics(self) -> set[str]:
        return set(self._cluster.topics)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        found = self._cluster.topics.get(topic)
        return set(range(len(found.partitions))) if found else set()

    def topic_id(self, topic: str) -> str:
        found = self._cluster.topics.get(topic)
        return found.id if found else ""

    def topic_ids(self) -> dict[str, str]:
        return {name: topic.id for name, topic in self._cluster.topics.items()}

    def committed_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        known = self._own.committed
        return {tp: known[tp] for tp in partitions if tp in known}

    def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._own.check(self.group_metadata())
        self._cluster.set_offsets(self._own, offsets)

    def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: log_of(self._cluster, tp).start for tp in partitions}

    def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: log_of(self._cluster, tp).stable_end for tp in partitions}

    def written_ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: log_of(self._cluster, tp).end for tp in partitions}

    def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        found: dict[TopicPartition, Any] = dict.fromkeys(times)
        for tp, at_ms in times.items():
            log = log_of(self._cluster, tp)
            position = log.start
            while found[tp] is None and position < log.stable_end:
                records, position = log.read(position, _MOST)
                for record in (record for record in records if record.timestamp >= at_ms):
                    found[tp] = OffsetAndTimestamp(record.offset, record.timestamp, -1)
                    break
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._positions:
            raise ValueError("Unassigned partition")
        self._positions[partition] = offset

    def position(self, partition: TopicPartition) -> int | None:
        return self._positions[partition]

    def highwater(self, partition: TopicPartition) -> int | None:
        return log_of(self._cluster, partition).stable_end

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused -= set(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def group_metadata(self) -> Member:
        return Member(self._group.name if self._group else "", self.number, self._generation)

    def wake(self) -> None:
        """No poll waits here."""

    def close(self, autocommit: bool = True, timeout_ms: int | None = None) -> None:
        if self._group is not None and self.number in self._group.members:
            self._group.leave(self.number)
