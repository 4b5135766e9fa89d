"""Kafka in memory, as far as the loops lean on it; held to the real one by tests/contract/test_broker.py.

It differs from the journal in that records are in the log as soon as they are sent, and count when their
transaction is decided; so a test may leave one open, fail its commit or cut the log.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition
from kafka.errors import ProducerFencedError

from services.runtime.clients.log import Log
from services.runtime.journal.batches import Record
from services.runtime.journal.reader import Group, Member, Reader, Topic, log_of
from services.runtime.settings import Settings


@dataclass(eq=False)
class _Transaction:
    """decided: None while it is open, then whether it was committed."""

    decided: bool | None = None
    places: set[TopicPartition] = field(default_factory=set)
    offsets: list[tuple[Group, dict[TopicPartition, int]]] = field(default_factory=list)


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

    def read(self, position: int, room: int) -> tuple[list[Record], int]:
        """See PartitionLog."""
        end = self.stable_end
        records: list[Record] = []
        while position < end and len(records) < room:
            record, transaction = self.entries[position]
            if record is not None and transaction.decided:
                records.append(record)
            position += 1
        while room and position < end and self.entries[position][0] is None:
            position += 1  # what lies behind the last record of a fetch is passed with it
        return records, position


class MemoryBroker:
    """The whole cluster; makes its clients. fail_next_commit: what the next one raises instead."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.producers: dict[str, MemoryProducer] = {}
        self.fail_next_commit: Exception | None = None
        self.now_ms = 1_000_000

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """A topic under a new id."""
        self.topics[name] = Topic([_Log() for _ in range(partitions)], str(uuid.uuid4()))

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
        found = log_of(self, place)
        assert isinstance(found, _Log)
        return found

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(name))

    def set_offsets(self, group: Group, offsets: Mapping[TopicPartition, int]) -> None:
        group.committed |= offsets

    def evict(self, consumer: Reader) -> None:
        """As when a member has not been heard of for the session timeout."""
        self.group(consumer.group_metadata().group_id).leave(consumer.number)

    # The seam: see services.runtime.clients.broker.Broker.

    def consumer(
        self,
        group: str,
        *,
        instance: str = "",
        lanes: bool = False,
        gathers: bool = False,
        batch_seconds: float = 300.0,
    ) -> Reader:
        return Reader(self, group, gathers=gathers)

    def producer(self, transactional_id: str) -> MemoryProducer:
        return MemoryProducer(self, transactional_id)

    def log(self) -> Log:
        return Log(self._settings, make=lambda *_, **__: Reader(self, None))

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
