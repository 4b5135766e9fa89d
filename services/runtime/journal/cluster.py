# ruff: noqa: D102 - the methods are kafka-python's
"""The river's topics, groups and transactions in a journal, for the clients of one process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, ProducerFencedError

from services.runtime.journal.admin import JournalAdmin
from services.runtime.journal.batches import Record, journaled, of_journal
from services.runtime.journal.extents import Extent, ExtentLog
from services.runtime.journal.file import JournalFile
from services.runtime.journal.reader import Group, Member, Reader, Topic


class JournalCluster:
    """Makes the clients. What a transaction sends is in the log, with its offsets, once it is committed; its
    marker takes an offset in every partition, as Kafka's does.
    """

    def __init__(self, path: Path) -> None:
        self.topics: dict[str, Topic] = {}
        self._logs: dict[TopicPartition, ExtentLog] = {}
        self._groups: dict[str, Group] = {}
        self.producers: dict[str, Writer] = {}
        self._file = JournalFile(path)

    def refresh(self) -> None:
        """Take up what another process has written. Raises ConfigurationError."""
        for told, position in self._file.frames():
            self._apply(told, position)

    def close(self) -> None:
        """Others may write now."""
        self._file.close()

    def consumer(self, group: str | None, *, gathers: bool = False) -> Reader:
        return Reader(self, group, gathers=gathers)

    def producer(self, transactional_id: str, compression: str) -> Writer:
        return Writer(self, transactional_id, compression)

    def admin(self) -> JournalAdmin:
        return JournalAdmin(self)

    def group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(name))

    def log_of(self, place: TopicPartition) -> ExtentLog:
        """Raises KafkaError: there is no such partition."""
        if place not in self._logs:
            raise KafkaError(f"{place} does not exist")
        return self._logs[place]

    def set_topics(self, partitions: Mapping[str, int]) -> None:
        """Make topics, or give them more partitions."""
        ids = {
            name: self.topics[name].id if name in self.topics else str(uuid.uuid4()) for name in partitions
        }
        self._write({"topics": {name: [ids[name], number] for name, number in partitions.items()}})

    def set_starts(self, before: Mapping[TopicPartition, int]) -> None:
        """Let logs begin at these offsets."""
        self._write({"starts": [[*tp, offset] for tp, offset in before.items()]})

    def set_offsets(self, group: Group, offsets: Mapping[TopicPartition, int]) -> None:
        self._write({"offsets": _offsets(group, offsets)})

    def commit(
        self,
        sent: Mapping[TopicPartition, Sequence[Record]],
        offsets: Mapping[TopicPartition, int],
        group: Group | None,
        compression: str,
    ) -> None:
        """One transaction. sent: whose offsets are counted on from the ends of the logs."""
        self._own()
        batches, listed = [], []
        for tp, records in sent.items():
            base, batch = self.log_of(tp).end, journaled(records, compression)
            batches.append(batch)
            listed.append([*tp, base, base + len(records), len(batch)])
        told: dict[str, Any] = {"batches": listed}
        if group is not None:
            told["offsets"] = _offsets(group, offsets)
        self._apply(told, self._file.append(told, batches))

    def _own(self) -> None:
        self._file.own()
        self.refresh()

    def _write(self, told: dict[str, Any]) -> None:
        self._own()
        self._apply(told, self._file.append(told))

    def _apply(self, told: Mapping[str, Any], position: int) -> None:
        """What a frame tells."""
        for name, (topic_id, number) in told.get("topics", {}).items():
            places = [TopicPartition(name, p) for p in range(number)]
            for tp in places:
                self._logs.setdefault(tp, ExtentLog(self._name(tp), partial(self._fetch, tp)))
            self.topics[name] = Topic([self._logs[tp] for tp in places], topic_id)
        for topic, partition, base, stop, num_bytes in told.get("batches", ()):
            log = self._logs[TopicPartition(topic, partition)]
            log.add(Extent(base, stop, 0, position, num_bytes))
            log.end = log.stable_end = stop + 1  # the marker
            position += num_bytes
        for name, topic, partition, offset in told.get("offsets", ()):
            self.group(name).committed[TopicPartition(topic, partition)] = offset
        for topic, partition, offset in told.get("starts", ()):
            self._logs[TopicPartition(topic, partition)].start = offset

    def _name(self, place: TopicPartition) -> str:
        return f"{self._file.path}, {place.topic} {place.partition}"

    def _fetch(self, place: TopicPartition, extent: Extent) -> list[Record]:
        return of_journal(self._file.read(extent.position, extent.num_bytes), extent.base, *place)


class Writer:
    """See clients.broker.Producer."""

    def __init__(self, cluster: JournalCluster, transactional_id: str, compression: str) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._compression = compression
        self._sent: dict[TopicPartition, list[Record]] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._group: Group | None = None
        self._now_ms = 0

    def init_transactions(self) -> None:
        self._cluster.producers[self._id] = self

    def begin_transaction(self) -> None:
        self._check()
        self._sent, self._offsets, self._group = {}, {}, None
        self._now_ms = int(time.time() * 1000)

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        place = TopicPartition(topic, partition or 0)
        if (sent := self._sent.get(place)) is None:
            self._cluster.log_of(place)
            sent = self._sent[place] = []
        sent.append(Record(topic, place.partition, len(sent), key, value, headers, self._now_ms))

    def partitions_for(self, topic: str) -> set[int] | None:
        found = self._cluster.topics.get(topic)
        return set(range(len(found.partitions))) if found else None

    def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, Any], member: Member) -> None:
        self._check()
        self._group = self._cluster.group(member.group_id)
        self._group.check(member)
        self._offsets |= {tp: mark.offset for tp, mark in offsets.items()}

    def commit_transaction(self) -> None:
        self._check()
        self._cluster.commit(self._sent, self._offsets, self._group, self._compression)
        self._sent, self._offsets, self._group = {}, {}, None

    def fenced(self) -> bool:
        return self._cluster.producers.get(self._id) is not self

    def close(self, timeout: float | None = None) -> None:
        """What was not committed was never written."""

    def _check(self) -> None:
        if self.fenced():
            raise ProducerFencedError(self._id)


def _offsets(group: Group, offsets: Mapping[TopicPartition, int]) -> list[list[Any]]:
    return [[group.name, *tp, offset] for tp, offset in offsets.items()]
