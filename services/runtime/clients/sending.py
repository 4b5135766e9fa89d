"""A producer of the library's that waits for no coordinator for ever, and how many sends go fast."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, ProducerFencedError

_WAKE_S = 0.01  # a full batch waits no longer


class BoundedProducer(KafkaProducer):
    """A producer whose transaction waits for its coordinator no longer than `max_block_ms`.

    kafka-python 3.0.12 bounds init_transactions alone. A coordinator that falls in the middle can leave
    the others without an answer for good; the transaction ends at the broker by its own time limit.
    """

    def send_offsets_to_transaction(self, offsets: Any, group_metadata: Any) -> None:
        """See KafkaProducer. Raises KafkaTimeoutError."""
        self._within(self._transaction_manager.send_offsets_to_transaction(offsets, group_metadata))

    def commit_transaction(self) -> None:
        """See KafkaProducer. Raises KafkaTimeoutError: whether it has committed is not known then."""
        self._within(self._transaction_manager.begin_commit())

    def fenced(self) -> bool:
        """Whether it knows that another has taken up its name.

        The one call in which that comes to light raises ProducerFencedError, but it may come to light
        between two calls; those that follow raise a KafkaError that looks like any other.
        """
        return isinstance(self._transaction_manager.last_error, ProducerFencedError)

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """See KafkaProducer, which leaves its thread running where something could not be sent in time."""
        try:
            super().close(timeout, null_logger)
        except KafkaTimeoutError:
            self._sender.force_close()
            self._closed = True

    def _within(self, result: Any) -> None:
        self._sender.wakeup()
        if not result.wait(self.config["max_block_ms"]):
            raise KafkaTimeoutError("the coordinator of the transaction does not answer")


@contextmanager
def filling(producer: Any, topics: Collection[str]) -> Iterator[None]:
    """Round many sends to these topics that a flush or a commit follows: wake the sender now and then.

    kafka-python's send wakes its sending thread for every record while more than one batch waits: a
    system call and a change of threads each, a tenth of the loop's CPU at 5 kB a record. Each time that
    thread tells the transaction's coordinator of new partitions; and each new topic would be asked for alone.
    Raises KafkaError.
    """
    sender = getattr(producer, "_sender", None)
    if sender is None:  # one that sends nothing
        yield
        return
    sender._topics_to_add.update(topics)  # at once, that the first of them is waited for with all
    for topic in topics:
        producer.partitions_for(topic)
    wake_up, last = sender.wakeup, time.monotonic()

    def wake_rarely() -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _WAKE_S:
            last = now
            wake_up()

    sender.wakeup = wake_rarely
    try:
        yield
    finally:
        sender.wakeup = wake_up
