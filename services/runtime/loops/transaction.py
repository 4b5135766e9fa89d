"""One transaction after another: outputs and consumed offsets in, all or nothing.

Order of a commit, and the failure that each step prevents:
1. begin, send       — nothing is visible to read_committed readers yet
2. send offsets with the group's metadata — a member that was evicted is refused here (KIP-447),
   so two owners of a partition cannot both commit it
3. commit            — flushes, checks every acknowledgement, makes outputs and offsets visible at once
A failure anywhere: the producer is thrown away and made anew under the same id, which aborts what was
open; the caller goes back to the committed offsets. One way out for all errors, since it is rare.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, ProducerFencedError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from services.runtime import metrics
from services.runtime.clients.broker import Broker, KafkaBroker, Producer
from services.runtime.clients.kafka import PATIENCE_S, producer, refuse
from services.runtime.clients.sending import filling
from services.runtime.errors import CorpusworksError, DependencyDown, Fenced
from services.runtime.logs import log
from services.runtime.process.watchdog import watchdog
from services.runtime.settings import Settings


class Aborted(CorpusworksError):
    """The transaction did not commit; nothing of it is visible. Go back and do it again."""


@dataclass(slots=True)
class Produce:
    """A message to be sent. spread: chooses the partition (modulo its number) when none is given."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    spread: int = 0
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def say(settings: Settings, name: str, outputs: Sequence[Produce]) -> None:
    """Send, outside of any group, what does no harm if it comes twice; the broker may fall meanwhile.

    name: of the transaction. Raises DependencyDown, Fenced.
    """
    transactions = Transactions(settings, name, name)
    try:
        say_by(transactions, outputs)
    finally:
        transactions.reset()


def say_by(transactions: Transactions, outputs: Sequence[Produce]) -> None:
    """As say, for who says something again and again: each connection costs the broker some 5 ms of CPU."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return transactions.commit(outputs, {}, None)
        except Aborted as error:
            if time.monotonic() > deadline:
                raise DependencyDown("Kafka", error) from error
            time.sleep(0.2)
        except Fenced:
            transactions.reset()  # the next time it is this process again
            raise


class Announcer:
    """Says, outside of any group and transaction, what does no harm if it comes twice or in part.

    A transaction costs the broker as much as ten messages. One caller.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None

    def say(self, outputs: Sequence[Produce]) -> None:
        """Send them, and wait until they are there; the broker may fall meanwhile.

        Raises DependencyDown, ConfigurationError.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._send(outputs, deadline - time.monotonic())
            except KafkaError as error:
                refuse(error)
                self.reset()
                if time.monotonic() > deadline:
                    raise DependencyDown("Kafka", error) from error
                time.sleep(0.2)

    def reset(self) -> None:
        """Let go of the connection; the next message makes another."""
        made, self._producer = self._producer, None
        if made is not None:
            made.close(timeout=0)

    def _send(self, outputs: Sequence[Produce], patience_s: float) -> None:
        if self._producer is None:
            self._producer = producer(self._settings, None)
        sent = [
            self._producer.send(o.topic, o.value, key=o.key, partition=o.partition, headers=o.headers)
            for o in outputs
        ]
        for message in sent:
            message.get(timeout=max(0.0, patience_s))


class Transactions:
    """The transactional producer of one process."""

    def __init__(
        self, settings: Settings, service: str, transactional_id: str, broker: Broker | None = None
    ) -> None:
        self._broker = broker or KafkaBroker(settings)
        self._service = service
        self._id = transactional_id
        self._hang_s = 2 * settings.kafka.transaction_timeout_s + 60
        self._producer: Producer | None = None
        self._num_partitions: dict[str, int] = {}

    def open(self) -> None:
        """Connect and abort what a predecessor with this id left open. Raises KafkaError, Fenced."""
        if self._producer is None:
            made = self._broker.producer(self._id)
            try:
                with watchdog(self._hang_s, "init_transactions"):
                    made.init_transactions()
            except BaseException:
                made.close(timeout=0)
                raise
            self._producer = made

    def commit(
        self,
        outputs: Sequence[Produce],
        offsets: Mapping[TopicPartition, int],
        member: ConsumerGroupMetadata | None,
    ) -> None:
        """Make outputs and the offsets of the group's `member` visible together.

        Raises Aborted, Fenced, ConfigurationError.
        """
        try:
            self.open()
            assert self._producer is not None
            self._producer.begin_transaction()
            with filling(self._producer, {output.topic for output in outputs}):
                for output in outputs:
                    self._send(output)
            with watchdog(self._hang_s, "commit_transaction"):
                if member is not None and offsets:
                    marks = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
                    self._producer.send_offsets_to_transaction(marks, member)
                start = time.monotonic()
                self._producer.commit_transaction()
            metrics.COMMIT_SECONDS.labels(self._service).observe(time.monotonic() - start)
        except (KafkaError, AssertionError) as error:
            if isinstance(error, ProducerFencedError) or (self._producer and self._producer.fenced()):
                raise Fenced(
                    f"another process runs as {self._id}; give each its own instance name"
                ) from error
            refuse(error)
            log.warning("transaction aborted", error=repr(error))
            metrics.ABORTS.labels(self._service).inc()
            self.reset()
            raise Aborted(repr(error)) from error

    def reset(self) -> None:
        """Throw the producer away; the next open aborts what it had begun."""
        if self._producer is not None:
            with watchdog(self._hang_s, "close"):
                self._producer.close(timeout=0)
            self._producer = None

    def _send(self, output: Produce) -> None:
        assert self._producer is not None
        partition = output.partition
        if partition is None:
            partition = output.spread % self._partitions(output.topic)
        self._producer.send(
            output.topic, output.value, key=output.key, partition=partition, headers=output.headers
        )

    def partitions(self, topic: str) -> int:
        """How many it has now, as far as the client knows. Raises KafkaError."""
        self.open()
        assert self._producer is not None
        found = self._producer.partitions_for(topic)
        if not found:
            raise KafkaError(f"topic {topic} does not exist")
        return len(found)

    def _partitions(self, topic: str) -> int:
        if topic not in self._num_partitions:
            self._num_partitions[topic] = self.partitions(topic)
        return self._num_partitions[topic]
