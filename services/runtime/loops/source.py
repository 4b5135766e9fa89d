"""The loop of a source: what it read and how far it came, in one transaction."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence

from kafka.errors import KafkaError

from contracts import IngestProgress
from services.runtime import metrics
from services.runtime.clients.broker import Broker, KafkaBroker
from services.runtime.contracts.source import Read, Reader, Source, Unreadable
from services.runtime.contracts.unit import configure
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.process.lifecycle import Process
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topics import DEAD_LETTER_SUFFIX, PROGRESS
from services.runtime.topology import Service
from services.runtime.wire import encode


class SourceLoop:
    """Publishes a source until it is read to the end, or SIGTERM; then `finished` tells which."""

    def __init__(
        self, settings: Settings, service: Service, instance: str, broker: Broker | None = None
    ) -> None:
        self._broker = broker or KafkaBroker(settings)
        assert isinstance(service.definition, Source)
        self._settings = settings
        self._source = service.definition
        self._output = service.output
        self._resources = Resources(settings)
        self._process = Process(settings, service.name)
        self._transactions = Transactions(settings, service.name, f"{service.name}-{instance}", self._broker)
        self.finished = False

    def run(self) -> None:
        """Raises ConfigurationError (a path that is not there), Fenced."""
        self._process.start()
        config = configure(
            self._source.name, self._source.config, self._settings.units.get(self._source.name, {})
        )
        read: Reader | None = None
        try:
            while not self._process.stopping and not self.finished:
                try:
                    if read is None:
                        self._resources.topic_ids = self._broker.topic_ids()
                        read = self._source.build(config, self._resources)
                    self._publish_all(read)
                except (Aborted, DependencyDown, KafkaError) as error:
                    self._process.failed(error)
                    self._transactions.reset()
        finally:
            self._transactions.reset()
            self._resources.close()

    def _publish_all(self, read: Reader) -> None:
        self._transactions.open()
        self._process.health.ready("partitions")
        pending: list[Read] = []
        batch = self._settings.batch
        num_documents, num_bytes, since = 0, 0, time.monotonic()
        for step in read(progress(self._broker)):
            if self._process.stopping:
                return
            pending.append(step)
            num_documents += len(step.documents)
            num_bytes += sum(len(d.body) + len(d.text) for d in step.documents)
            waited = time.monotonic() - since
            if (
                num_documents >= batch.max_documents
                or num_bytes >= batch.max_bytes
                or waited > batch.max_wait_s
            ):
                self._publish(pending)
                pending, num_documents, num_bytes, since = [], 0, 0, time.monotonic()
        self._publish(pending)
        self.finished = True

    def _publish(self, steps: Sequence[Read]) -> None:
        outputs: list[Produce] = []
        for step in steps:
            for document in step.documents:
                value = encode(document, self._resources.store, self._settings.max_message_bytes)
                outputs.append(Produce(self._output, value, spread=document.uid))
            outputs += [self._unreadable(piece) for piece in step.unreadable]
            key = step.progress.source.encode()
            outputs.append(Produce(PROGRESS, step.progress.SerializeToString(), key=key, spread=hash_of(key)))
        if not outputs:
            return
        self._transactions.commit(outputs, {}, None)
        self._process.worked()
        name = self._source.name
        num_documents = sum(len(s.documents) for s in steps)
        metrics.DOCUMENTS.labels(name, name, "emit", "").inc(num_documents)
        metrics.BYTES.labels(name, "out").inc(sum(len(o.value or b"") for o in outputs))
        log.info("published", documents=num_documents, unreadable=sum(len(s.unreadable) for s in steps))

    def _unreadable(self, piece: Unreadable) -> Produce:
        said = {"topic": piece.source, "stage": self._source.name, "exception.message": piece.error}
        headers = [(ERROR_HEADER + name, text.encode()) for name, text in said.items()]
        key = piece.source.encode()
        return Produce(
            self._output + DEAD_LETTER_SUFFIX, piece.head, key, spread=hash_of(key), headers=headers
        )


def hash_of(key: bytes) -> int:
    """A stable spread for a key that is not a document's."""
    return zlib.crc32(key)


def progress(broker: Broker) -> dict[str, IngestProgress]:
    """By source: the last that was committed."""
    found: dict[str, IngestProgress] = {}
    with broker.log() as history:
        for record in history.read_all(PROGRESS):
            if record.value is not None:
                reached = IngestProgress.FromString(record.value)
                found[reached.source] = reached
    return found
