"""The reading side of a unit service: one consumer, batches out of it, and what a rebalance means."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError

from services.runtime.clients.broker import Broker, Consumer, static_member
from services.runtime.errors import ConfigurationError, CorpusworksError
from services.runtime.process.frames import Item, item_of
from services.runtime.settings import Settings

_IDLE_S = 0.5  # longest a poll waits for the first record
_TICK_S = 0.05  # the same while the worker may want its next batch


class Intake(ConsumerRebalanceListener):
    """Batches of one topic.

    take_up: says where to go on in partitions that came. before_revoke is called while the group still
    counts this member as the owner of partitions that it is about to lose: the last moment to commit what
    is in hand. lost: what is in hand must not be committed, another member has it already.
    """

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        group: str,
        topic: str,
        instance: str,
        *,
        longest_batch_s: float,
        take_up: Callable[[Consumer, Collection[TopicPartition]], dict[TopicPartition, int]],
        before_revoke: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._bounds = settings.batch
        self._topic = topic
        self._topic_id = ""
        self._take_up = take_up
        self._before_revoke = before_revoke
        self._lost = lost
        self._gathered: list[Item] = []
        self._mean_bytes = self._bounds.max_bytes  # of a document lately; the first of all is asked for alone
        self._new: set[TopicPartition] = set()  # assigned, and nobody has said where to go on
        self._news: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._behind: dict[TopicPartition, int] = {}  # offsets behind the last messages that were read
        self._raised: Exception | None = None
        self.consumer = broker.consumer(
            group, instance=static_member(instance, [topic]), batch_seconds=longest_batch_s
        )
        self.consumer.subscribe([topic], listener=self)

    def gather(self, max_documents: int, hurry: Callable[[], bool], *, busy: bool) -> list[Item]:
        """The next batch: until it is full in documents or bytes, or has waited long enough.

        A poll returns all that the client has of what it is asked for, which came compressed: so it is asked
        for as many as are likely to fit.

        hurry() is asked between polls, often while the worker is busy; once it is true what has been
        gathered so far is the batch, be it empty. Raises what take_up and before_revoke raised, KafkaError.
        """
        self._gathered = []
        num_bytes = 0
        deadline = time.monotonic() + _IDLE_S
        longest_s = _TICK_S if busy else _IDLE_S
        while len(self._gathered) < max_documents and num_bytes < self._bounds.max_bytes:
            wait_s = deadline - time.monotonic()
            if wait_s <= 0 or hurry():
                break
            first = not self._gathered
            fitting = max(1, (self._bounds.max_bytes - num_bytes) // self._mean_bytes)
            room = min(max_documents - len(self._gathered), fitting)
            found = self._poll(int(min(wait_s, longest_s) * 1000) + 1, room)
            items = [item_of(record) for records in found.values() for record in records]
            self._gathered += items
            num_bytes += sum(item.num_bytes for item in items)
            if items:
                self._mean_bytes = max(1, num_bytes // len(self._gathered))
            if first and items:
                deadline = time.monotonic() + self._bounds.max_wait_s
        return self._gathered

    def _poll(self, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, list[Any]]:
        try:
            found = self.consumer.poll(timeout_ms, max_records=max_records)
        except NoOffsetForPartitionError:
            found = {}  # partitions came in which the group has none
        if self._raised:
            error, self._raised = self._raised, None
            raise error
        if found and self.consumer.topic_id(self._topic) != self._topic_id:
            self._check_topic()
        if self._new:
            new = set(self._new)
            self._place()
            found = {tp: records for tp, records in found.items() if tp not in new}  # are read again
        self._behind |= {tp: records[-1].offset + 1 for tp, records in found.items() if records}
        return found

    def _check_topic(self) -> None:
        """A topic that is made anew under a running service begins at 0: offsets mean something else."""
        if self._topic_id:
            raise ConfigurationError(
                f"{self._topic} was made anew: its id was {self._topic_id} and is now "
                f"{self.consumer.topic_id(self._topic)}. Start again to hear what was lost and the way out"
            )
        self._topic_id = self.consumer.topic_id(self._topic)

    def _place(self) -> None:
        """Go on where the group has come to, in the partitions that came."""
        new = self._new & self.consumer.assignment()
        placed = self._take_up(self.consumer, new)
        for tp, offset in placed.items():
            self.consumer.seek(tp, offset)
            self._behind.pop(tp, None)
        self._committed |= placed
        self._news |= placed
        self._new -= new

    def reached(self, gathered: Sequence[Item]) -> dict[TopicPartition, int]:
        """What is to be committed when these are done, which have just been gathered.

        Behind the marker of the transaction in which they came, where that has been read with them: else it
        would be committed by itself later.
        """
        last = {TopicPartition(item.topic, item.partition): item.offset for item in gathered}
        return {tp: max(at + 1, self.consumer.position(tp) or 0) for tp, at in last.items()}

    def new_committed(self) -> dict[TopicPartition, int]:
        """Committed offsets of partitions that came since the last call."""
        found, self._news = self._news, {}
        return found

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """These were committed just now."""
        self._committed |= {tp: offset for tp, offset in offsets.items() if tp in self._committed}

    def passed(self) -> dict[TopicPartition, int]:
        """Positions past what is committed, where only markers of transactions lie between.

        Not where a message does that was read: its batch may have been given up, as when a service stops.
        """
        done = [tp for tp, at in self._committed.items() if self._behind.get(tp, 0) <= at]
        found = {tp: self.consumer.position(tp) for tp in done}
        return {tp: at for tp, at in found.items() if at is not None and at > self._committed[tp]}

    def rewind(self) -> None:
        """Back to the committed offsets. Raises as take_up does, KafkaError: else make another intake."""
        self._new |= self.consumer.assignment()
        self._place()  # and the units may not have heard of the last commits

    def lag(self) -> int:
        """Messages not committed yet, as far as the last fetch knows; those of a batch that failed, too."""
        ends = {tp: self.consumer.highwater(tp) for tp in self.consumer.assignment()}
        found = [(end, self._committed.get(tp)) for tp, end in ends.items() if end is not None]
        return sum(max(0, end - at) for end, at in found if at is not None)

    def close(self) -> None:
        """Leave the group, or with a static name just go: the partitions are kept for the session timeout."""
        self.consumer.close(autocommit=False, timeout_ms=3000)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Where to go on in them is said after the poll that brought them."""
        self._new |= set(assigned)

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Finish what is in hand; forget what was gathered of partitions that go."""
        try:
            self._before_revoke()
        except (CorpusworksError, KafkaError) as error:
            self._raised = error  # the client swallows what a listener raises
        self._forget(revoked)

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        """The group went on without this member."""
        self._lost()
        self._forget(lost)

    def _forget(self, gone: Sequence[TopicPartition]) -> None:
        partitions = {tuple(tp) for tp in gone}
        self._new -= set(gone)
        for tp in gone:
            self._committed.pop(tp, None)
            self._behind.pop(tp, None)
            self._news.pop(tp, None)
        self._gathered = [item for item in self._gathered if (item.topic, item.partition) not in partitions]
