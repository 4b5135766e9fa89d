"""Kafka in memory, as far as the loops lean on it; held to the real one by tests/contract/test_broker.py.

Records are in the log as soon as they are sent, and count when their transaction is decided; its marker takes
an offset. A rebalance is over when every member has polled. Nothing waits: a poll returns what there is.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    ProducerFencedError,
)
from kafka.structs import OffsetAndTimestamp

from services.runtime.clients.log import Log
from services.runtime.settings import Settings


class Record(NamedTuple):
    """As kafka-python names its fields."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int


@dataclass(eq=False)
class _Transaction:
    """decided: None while it is open, then whether it was committed."""

    decided: bool | None = None
    places: set[TopicPartition] = field(default_factory=set)
    offsets: list[tuple[_Group, dict[TopicPartition, int]]] = field(default_factory=list)


@dataclass
class _Log:
    start: int = 0
    entries: list[tuple[Record | None, _Transaction]] = field(default_factory=list)  # None: a marker

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """Before the first record of a transaction that is not decided."""
        undecided = (n for n, (_, t) in enumerate(self.entries) if t.decided is None)
        return next(undecided, self.end)


@dataclass
class _Topic:
    partitions: list[_Log]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Member(NamedTuple):
    """What group_metadata returns."""

    group_id: str
    member_id: int
    generation_id: int


@dataclass
class _Group:
    name: str
    generation: int = 0
    members: dict[int, MemoryConsumer] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)  # since the last change
    committed: dict[TopicPartition, int] = field(default_factory=dict)

    def change(self) -> None:
        self.joined = set()

    def check(self, member: Member) -> None:
        """Raises CommitFailedError."""
        if member.member_id not in self.members or member.generation_id != self.generation:
            raise CommitFailedError(f"{member} is not of generation {self.generation}")


class MemoryBroker:
    """The whole cluster; makes its clients. fail_next_commit: what the next one raises instead."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.topics: dict[str, _Topic] = {}
        self.groups: dict[str, _Group] = {}
        self.producers: dict[str, MemoryProducer] = {}
        self.fail_next_commit: Exception | None = None
        self.num_members = 0
        self.now_ms = 1_000_000

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """A topic under a new id."""
        self.topics[name] = _Topic([_Log() for _ in range(partitions)])

    def delete_topic(self, name: str) -> None:
        """With the offsets of all groups in it, as Kafka does."""
        del self.topics[name]
        for group in self.groups.values():
            group.committed = {tp: o for tp, o in group.committed.items() if tp.topic != name}

    def delete_records(self, place: TopicPartition, before: int) -> None:
        """The log begins there now."""
        self.log_of(place).start = before

    def log_of(self, place: TopicPartition) -> _Log:
        """Raises KafkaError: there is no such partition."""
        topic = self.topics.get(place.topic)
        if topic is None or place.partition >= len(topic.partitions):
            raise KafkaError(f"{place} does not exist")
        return topic.partitions[place.partition]

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group(name))

    def evict(self, consumer: MemoryConsumer) -> None:
        """As when a member has not been heard of for the session timeout."""
        group = self.group(consumer.group or "")
        group.members.pop(consumer.number, None)
        group.generation += 1
        group.change()

    # The seam: see services.runtime.clients.broker.Broker.

    def consumer(
        self,
        group: str,
        *,
        instance: str = "",
        lanes: bool = False,
        gathers: bool = False,
        batch_seconds: float = 300.0,
    ) -> MemoryConsumer:
        return MemoryConsumer(self, group, gathers=gathers)

    def producer(self, transactional_id: str) -> MemoryProducer:
        return MemoryProducer(self, transactional_id)

    def log(self) -> Log:
        return Log(self._settings, make=lambda *_, **__: MemoryConsumer(self, None))

    def topic_ids(self) -> dict[str, str]:
        return {name: topic.id for name, topic in self.topics.items()}


class MemoryProducer:
    """See Producer."""

    def __init__(self, broker: MemoryBroker, transactional_id: str) -> None:
        self._broker = broker
        self._id = transactional_id
        self._open: _Transaction | None = None

    def init_transactions(self) -> None:
        former = self._broker.producers.get(self._id)
        if former is not None and former is not self:
            former._decide(False)
        self._broker.producers[self._id] = self

    def begin_transaction(self) -> None:
        self._check()
        self._open = _Transaction()

    def send(self, topic: str, value: bytes | None = None, **options: Any) -> None:
        assert self._open is not None
        place = TopicPartition(topic, options.get("partition") or 0)
        log = self._broker.log_of(place)
        headers = list(options.get("headers") or ())
        record = Record(*place, log.end, options.get("key"), value, headers, self._broker.now_ms)
        log.entries.append((record, self._open))
        self._open.places.add(place)

    def partitions_for(self, topic: str) -> set[int] | None:
        found = self._broker.topics.get(topic)
        return set(range(len(found.partitions))) if found else None

    def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, Any], member: Member) -> None:
        assert self._open is not None
        self._check()
        group = self._broker.group(member.group_id)
        group.check(member)
        self._open.offsets.append((group, {tp: mark.offset for tp, mark in offsets.items()}))

    def commit_transaction(self) -> None:
        self._check()
        if (error := self._broker.fail_next_commit) is not None:
            self._broker.fail_next_commit = None
            raise error
        self._decide(True)

    def fenced(self) -> bool:
        return self._broker.producers.get(self._id) is not self

    def close(self, timeout: float | None = None) -> None:
        """What is open stays so until another producer takes up the id."""

    def _check(self) -> None:
        if self.fenced():
            raise ProducerFencedError(self._id)

    def _decide(self, committed: bool) -> None:
        transaction, self._open = self._open, None
        if transaction is None:
            return
        transaction.decided = committed
        for place in transaction.places:
            self._broker.log_of(place).entries.append((None, transaction))
        for group, offsets in transaction.offsets if committed else ():
            group.committed |= offsets


class MemoryConsumer:
    """See Consumer."""

    def __init__(
        self,
        broker: MemoryBroker,
        group: str | None,
        *,
        gathers: bool = False,
    ) -> None:
        self._broker = broker
        self.group = group
        broker.num_members += 1
        self.number = broker.num_members
        self._gathers = gathers
        self._topics: list[str] = []
        self._listener: Any = None
        self._generation = -1
        self._positions: dict[TopicPartition, int | None] = {}
        self._paused: set[TopicPartition] = set()

    def subscribe(self, topics: Sequence[str], listener: Any = None) -> None:
        assert self.group is not None
        self._topics, self._listener = list(topics), listener

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        self._positions = {tp: self._positions.get(tp) for tp in partitions}

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, list[Record]]:
        if self.group is not None and not self._take_part(self._broker.group(self.group)):
            return {}
        if missing := {tp for tp, position in self._positions.items() if position is None}:
            raise NoOffsetForPartitionError(missing)
        found: dict[TopicPartition, list[Record]] = {}
        room = max_records or 1000
        for tp in self._positions.keys() - self._paused:
            records = self._read(tp, room)
            room -= len(records)
            if records:
                found[tp] = records
        return found

    def _read(self, tp: TopicPartition, room: int) -> list[Record]:
        log = self._broker.log_of(tp)
        position = self._positions[tp]
        assert position is not None
        if not log.start <= position <= log.end:
            if self.group is not None:
                raise OffsetOutOfRangeError({tp: position})
            position = log.start
        end = log.stable_end
        records: list[Record] = []
        while position < end and len(records) < room:
            record, transaction = log.entries[position]
            if record is not None and transaction.decided:
                records.append(record)
            position += 1
        while room and position < end and log.entries[position][0] is None:
            position += 1  # what lies behind the last record of a fetch is passed with it
        self._positions[tp] = position
        return records

    def _take_part(self, group: _Group) -> bool:
        """Join, or follow a rebalance; whether partitions are held."""
        if self.number not in group.members:
            if self._positions:
                self._listener.on_partitions_lost(sorted(self._positions))
                self._positions = {}
            group.members[self.number] = self
            group.change()
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

    def _share(self, group: _Group) -> list[TopicPartition]:
        """By range, as lanes are; or all for the first."""
        members = sorted(group.members)
        at, number = members.index(self.number), 1 if self._gathers else len(members)
        found = []
        for topic in self._topics:
            size = len(self._broker.topics[topic].partitions) if topic in self._broker.topics else 0
            found += [TopicPartition(topic, p) for p in range(size) if p * number // max(size, 1) == at]
        return found

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def topics(self) -> set[str]:
        return set(self._broker.topics)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        found = self._broker.topics.get(topic)
        return set(range(len(found.partitions))) if found else set()

    def topic_id(self, topic: str) -> str:
        found = self._broker.topics.get(topic)
        return found.id if found else ""

    def topic_ids(self) -> dict[str, str]:
        return self._broker.topic_ids()

    def committed_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        known = self._broker.group(self.group or "").committed
        return {tp: known[tp] for tp in partitions if tp in known}

    def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        group = self._broker.group(self.group or "")
        group.check(self.group_metadata())
        group.committed |= offsets

    def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._broker.log_of(tp).start for tp in partitions}

    def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._broker.log_of(tp).stable_end for tp in partitions}

    def written_ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._broker.log_of(tp).end for tp in partitions}

    def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        found: dict[TopicPartition, Any] = dict.fromkeys(times)
        for tp, at_ms in times.items():
            log = self._broker.log_of(tp)
            records = [record for record, _ in log.entries[log.start :] if record is not None]
            first = next((record for record in records if record.timestamp >= at_ms), None)
            if first is not None:
                found[tp] = OffsetAndTimestamp(first.offset, first.timestamp, -1)
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._positions:
            raise ValueError("Unassigned partition")
        self._positions[partition] = offset

    def position(self, partition: TopicPartition) -> int | None:
        return self._positions[partition]

    def highwater(self, partition: TopicPartition) -> int | None:
        return self._broker.log_of(partition).stable_end

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused -= set(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def group_metadata(self) -> Member:
        return Member(self.group or "", self.number, self._generation)

    def close(self, autocommit: bool = True, timeout_ms: int | None = None) -> None:
        if self.group is not None and self.number in self._broker.group(self.group).members:
            self._broker.evict(self)
