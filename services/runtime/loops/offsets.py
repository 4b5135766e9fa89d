"""Where a consumer group goes on. It is never guessed.

A group without an offset in a partition begins at the log's start if it has never begun there, which
river.starts knows; that it has begun is recorded in the same transaction as its first offset. Every other
loss stops the service: a topic made anew, an offset that expired, a log that lost its beginning or its end.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kafka import TopicPartition

from contracts import FirstStart
from services.runtime.clients.broker import Consumer
from services.runtime.clients.log import Log
from services.runtime.errors import ConfigurationError
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topics import STARTS

# (group, topic, partition) -> Kafka's id of the topic when the group began there
Starts = dict[tuple[str, str, int], str]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A partition as a group finds it. Offsets are of the next message; end is that of what is committed.

    began: the topic's id when the group began there, or empty. committed: None without an offset.
    """

    group: str
    topic: str
    partition: int
    topic_id: str
    began: str
    committed: int | None
    start: int
    end: int

    @property
    def remade(self) -> bool:
        """The topic is another one than that in which the group began."""
        return self.began not in ("", self.topic_id)

    @property
    def first(self) -> bool:
        """The group has never begun here."""
        return not self.began and self.committed is None

    @property
    def trouble(self) -> str:
        """Why the group cannot go on here, or nothing."""
        if self.remade:
            return (
                f"the topic was made anew: the group began under its id {self.began}, it is {self.topic_id}"
            )
        if self.committed is None:
            return "" if self.first else "the group has begun here and its offset is gone: expired or deleted"
        if self.start <= self.committed <= self.end:
            return ""
        lost = "beginning" if self.committed < self.start else "end"
        where = f"the offset {self.committed} is outside the log, which goes from {self.start} to {self.end}"
        return f"{where}: the log lost its {lost}"


class Offsets:
    """The offsets of one group. One read of river.starts, and another when it does not say enough."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._starts: Starts = {}

    def take_up(
        self,
        consumer: Consumer,
        partitions: Collection[TopicPartition],
        transactions: Transactions,
        log: Log,
    ) -> dict[TopicPartition, int]:
        """The offset at which the group goes on in each; first starts are recorded and committed.

        Raises ConfigurationError naming what was lost and the way out; Aborted, DependencyDown, KafkaError.
        """
        cursors = self._find(consumer, partitions, log)
        refuse([cursor for cursor in cursors if cursor.trouble])
        new = [cursor for cursor in cursors if not cursor.began]
        if new:
            begin = {TopicPartition(c.topic, c.partition): c.start for c in new if c.first}
            transactions.commit([first_start(c) for c in new], begin, consumer.group_metadata())
            self._starts |= {(c.group, c.topic, c.partition): c.topic_id for c in new}
        return {
            TopicPartition(c.topic, c.partition): c.start if c.committed is None else c.committed
            for c in cursors
        }

    def _find(self, consumer: Consumer, partitions: Collection[TopicPartition], log: Log) -> list[Cursor]:
        if not partitions:
            return []
        if any((self._group, *tp) not in self._starts for tp in partitions):
            self._starts = read_starts(log)
        committed = consumer.committed_offsets(partitions)
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        return [
            Cursor(
                group=self._group,
                topic=tp.topic,
                partition=tp.partition,
                topic_id=consumer.topic_id(tp.topic),
                began=self._starts.get((self._group, *tp), ""),
                committed=committed.get(tp),
                start=starts[tp],
                end=ends[tp],
            )
            for tp in sorted(partitions)
        ]


def refuse(troubled: Collection[Cursor]) -> None:
    """Raises ConfigurationError if there is any."""
    if not troubled:
        return
    group = next(iter(troubled)).group
    said = "; ".join(f"{c.topic} partition {c.partition}: {c.trouble}" for c in list(troubled)[:3])
    more = f"; and {len(troubled) - 3} more" if len(troubled) > 3 else ""
    raise ConfigurationError(
        f"{group} cannot go on where it was. {said}{more}. `corpusworks offsets list` shows all; "
        f"`corpusworks offsets mend {group}` sets them anew, and says how much is lost or read again"
    )


def first_start(cursor: Cursor) -> Produce:
    """The record that the group has begun in a partition."""
    said = FirstStart(
        group=cursor.group,
        topic=cursor.topic,
        topic_id=cursor.topic_id,
        partitions=[cursor.partition],
        at_ms=int(time.time() * 1000),
    )
    key = f"{cursor.group}/{cursor.topic}/{cursor.partition}".encode()
    return Produce(STARTS, said.SerializeToString(), key)


def read_starts(log: Log) -> Starts:
    """All first starts. Raises DependencyDown."""
    found: Starts = {}
    for record in log.read_all(STARTS):
        said = FirstStart.FromString(record.value)
        found |= {(said.group, said.topic, partition): said.topic_id for partition in said.partitions}
    return found


def by_topic_id(
    offsets: Mapping[TopicPartition, int], topic_ids: Mapping[str, str]
) -> dict[tuple[str, int], int]:
    """As units that keep state outside Kafka know places: by (topic id, partition)."""
    return {(topic_ids.get(topic, ""), partition): offset for (topic, partition), offset in offsets.items()}
