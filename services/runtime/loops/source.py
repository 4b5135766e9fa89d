"""The loop of a source: what it read and how far it came, in one transaction.

Reading runs in a process of its own (process/reader.py) and one step ahead of the broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from kafka.errors import KafkaError

from contracts import IngestProgress
from services.runtime.clients.broker import Broker, KafkaBroker
from services.runtime.clients.log import Log
from services.runtime.contracts.source import IMPORT, Source
from services.runtime.contracts.unit import configure
from services.runtime.errors import DependencyDown
from services.runtime.loops.inflow import Inflow, hash_of
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.process.lifecycle import Process
from services.runtime.process.reader import SourceReader
from services.runtime.process.reader_frames import Step
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topics import PROGRESS
from services.runtime.topology import Service


class SourceLoop:
    """Publishes a source until it is read to the end, or SIGTERM; then `finished` tells which."""

    def __init__(
        self,
        settings: Settings,
        service: Service,
        instance: str,
        *,
        agreed: Callable[[], object] = tuple,
        broker: Broker | None = None,
    ) -> None:
        self._agreed = agreed
        self._broker = broker or KafkaBroker(settings)
        assert isinstance(service.definition, Source)
        self._settings = settings
        self._service = service
        self._source = service.definition
        self._output = service.output
        self._resources = Resources(settings)
        self._process = Process(settings, service.name)
        self._transactions = Transactions(settings, service.name, f"{service.name}-{instance}", self._broker)
        self._import = IngestProgress(began_ms=time.time_ns() // 1_000_000)
        self._said_that_it_began = False
        self.finished = False

    def run(self) -> None:
        """Raises ConfigurationError (a path that is not there), ReadingFailed, Fenced."""
        config = configure(
            self._source.name, self._source.config, self._settings.units.get(self._source.name, {})
        )
        reader = SourceReader(self._service, config, self._settings)
        reader.prefork()
        self._process.start()
        try:
            while not self._process.stopping and not self.finished:
                try:
                    self._agreed()
                    with self._broker.log() as said:
                        self._resources.topic_ids, known = said.topic_ids(), self._known(said)
                    self._transactions.open()
                    self._process.health.ready("partitions")
                    with closing(reader.read(known)) as steps:
                        self._publish_all(steps)
                except (Aborted, DependencyDown, KafkaError) as error:
                    self._process.failed(error)
                    self._transactions.reset()
        finally:
            self._transactions.reset()
            self._resources.close()

    def _known(self, said: Log) -> dict[str, bytes]:
        """What was read, and when the import began: an interrupted one goes on, and is not a later one."""
        known = progress(said)
        former = IngestProgress.FromString(known.get(IMPORT, b""))
        self._said_that_it_began = bool(former.began_ms) and not former.complete
        if self._said_that_it_began:
            self._import = former
        known[IMPORT] = self._import.SerializeToString()
        return known

    def _publish_all(self, steps: Iterator[Step | None]) -> None:
        pending: list[Step] = []
        batch = self._settings.batch
        num_documents, num_bytes, since = 0, 0, time.monotonic()
        for step in steps:
            if self._process.stopping:
                return
            self._process.health.moved()
            if step is not None:
                pending.append(step)
                num_documents += len(step.documents)
                num_bytes += sum(len(value) for _, value in step.documents)
            waited = time.monotonic() - since
            if (
                num_documents >= batch.max_documents
                or num_bytes >= batch.max_bytes
                or waited > batch.max_wait_s
            ):
                self._publish(pending)
                pending, num_documents, num_bytes, since = [], 0, 0, time.monotonic()
        self._publish(pending, last=True)
        self.finished = True

    def _publish(self, steps: Sequence[Step], *, last: bool = False) -> None:
        documents = [document for step in steps for document in step.documents]
        unreadable = [piece for step in steps for piece in step.unreadable]
        outputs = [_progress(step.progress) for step in steps]
        if outputs and not self._said_that_it_began:
            outputs.append(_progress(self._import.SerializeToString()))
        if last and (outputs or self._said_that_it_began):
            over = IngestProgress(began_ms=self._import.began_ms, complete=True)
            outputs.append(_progress(over.SerializeToString()))
        if not outputs:
            return
        inflow = self._inflow()
        outputs += inflow.messages(documents, unreadable)
        self._transactions.commit(outputs, {}, None)
        self._said_that_it_began = True
        self._process.worked()
        inflow.published(len(documents), len(unreadable), outputs)

    def _inflow(self) -> Inflow:
        limit = self._settings.max_message_bytes
        return Inflow(self._source.name, self._output, self._resources.store, limit)


def _progress(value: bytes) -> Produce:
    key = IngestProgress.FromString(value).source.encode()
    return Produce(PROGRESS, value, key=key, spread=hash_of(key))


def progress(log: Log) -> dict[str, bytes]:
    """By source, and IMPORT: the IngestProgress that was committed last, serialised."""
    records = log.read_all(PROGRESS)
    return {IngestProgress.FromString(r.value).source: r.value for r in records if r.value is not None}
