"""The reading side of a unit service: one consumer, batches out of it, and what a rebalance means."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.runtime.clients.kafka import consumer
from services.runtime.errors import CorpusworksError
from services.runtime.process.frames import Item
from services.runtime.settings import Settings

_IDLE_S = 0.5  # longest a poll waits for the first record
_TICK_S = 0.05  # the same while the worker may want its next batch


class Intake(ConsumerRebalanceListener):
    """Batches of one topic.

    before_revoke is called while the group still counts this member as the owner of partitions that
    it is about to lose: the last moment to commit what is in hand. lost: what is in hand must not be
    committed, another member has it already.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topic: str,
        instance: str,
        *,
        longest_batch_s: float,
        before_revoke: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._bounds = settings.batch
        self._before_revoke = before_revoke
        self._lost = lost
        self._gathered: list[Any] = []
        self._new: set[TopicPartition] = set()
        self._raised: Exception | None = None
        self.consumer: KafkaConsumer = consumer(
            settings, group, instance=instance, batch_seconds=longest_batch_s
        )
        self.consumer.subscribe([topic], listener=self)

    def gather(self, max_documents: int, hurry: Callable[[], bool], *, busy: bool) -> list[Item]:
        """The next batch: until it is full in documents or bytes, or has waited long enough.

        hurry() is asked between polls, often while the worker is busy; once it is true what has been
        gathered so far is the batch, be it empty. Raises what before_revoke raised, KafkaError.
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
            room = max_documents - len(self._gathered)
            found = self.consumer.poll(int(min(wait_s, longest_s) * 1000) + 1, max_records=room)
            if self._raised:
                error, self._raised = self._raised, None
                raise error
            for records in found.values():
                self._gathered += records
                num_bytes += sum(len(r.value or b"") for r in records)
            if first and self._gathered:
                deadline = time.monotonic() + self._bounds.max_wait_s
        return [Item(r.value or b"", r.topic, r.partition, r.offset) for r in self._gathered]

    def new_committed(self) -> dict[tuple[str, int], int]:
        """Committed offsets of partitions that came since the last call."""
        found = {tuple(tp): self.consumer.committed(tp) or 0 for tp in self._new}
        self._new.clear()
        return found

    def rewind(self) -> None:
        """Back to the committed offsets. Raises KafkaError: close this intake and make another."""
        for tp in self.consumer.assignment():
            self.consumer.seek(tp, self.consumer.committed(tp, timeout_ms=5000) or 0)
            self._new.add(tp)  # the units may not have heard of the last commits

    def lag(self) -> int:
        """Messages not read yet, as far as the last fetch knows."""
        # Without a fetch there is no position either, and in a rebalance the client could not ask for one.
        ends = {tp: self.consumer.highwater(tp) for tp in self.consumer.assignment()}
        return sum(max(0, end - self.consumer.position(tp)) for tp, end in ends.items() if end is not None)

    def close(self) -> None:
        """Leave the group, or with a static name just go: the partitions are kept for the session timeout."""
        self.consumer.close(autocommit=False, timeout_ms=3000)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """New partitions start at the committed offsets by themselves."""
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
        self._gathered = [r for r in self._gathered if (r.topic, r.partition) not in partitions]
