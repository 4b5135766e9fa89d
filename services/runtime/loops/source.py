"""The loop of a source: what it read and how far it came, in one transaction.

Reading runs in a process of its own (process/reader.py) and one step ahead of the broker.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from kafka.errors import KafkaError

from contracts import IngestProgress
from services.runtime.clients.broker import Broker, KafkaBroker
from services.runtime.clients.log import Log
from services.runtime.contracts.source import Source
from services.runtime.contracts.unit import configure
from services.runtime.errors import DependencyDown, Fenced
from services.runtime.logs import log
from services.runtime.loops.inflow import Inflow, hash_of
from services.runtime.loops.leases import Leases
from services.runtime.loops.sharing import Sharing
from services.runtime.loops.transaction import Aborted, Produce, Transactions
from services.runtime.process.gate import pass_gate
from services.runtime.process.lifecycle import Process
from services.runtime.process.reader import SourceReader
from services.runtime.process.reader_frames import Step
from services.runtime.resources import Resources
from services.runtime.settings import Settings
from services.runtime.topics import PROGRESS
from services.runtime.topology import Service


class Came(NamedTuple):
    """What a source has brought since it was started. files: done with, known ones included."""

    files: int = 0
    documents: int = 0
    num_bytes: int = 0
    unreadable: int = 0


class SourceLoop:
    """Publishes a source until it is read to the end, or SIGTERM; then `finished` tells which."""

    def __init__(
        self,
        settings: Settings,
        service: Service,
        instance: str,
        *,
        agreed: Callable[[Log], object] = lambda _: (),
        broker: Broker | None = None,
        tell: Callable[[Came], object] | None = None,
    ) -> None:
        """tell: called with what came, after each commit."""
        self._tell = tell
        self._came = Came()
        self._agreed = agreed
        self._broker = broker or KafkaBroker(settings)
        assert isinstance(service.definition, Source)
        self._settings = settings
        self._service = service
        self._source = service.definition
        self._output = service.output
        self._resources = Resources(settings)
        self._process = Process(settings, service.name)
        self._id = f"{service.name}-{instance}"
        self._transactions = Transactions(settings, service.name, self._id, self._broker)
        self._sharing = Sharing(self._broker, None, self._fence)
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
                    with self._broker.log() as said:
                        pass_gate()
                        self._agreed(said)
                        self._transactions.open()  # first: a predecessor of this name commits no more
                        self._know(said)
                    self._process.health.ready("partitions")
                    with closing(reader.read(self._sharing.recorded, self._sharing.take)) as steps:
                        self._publish_all(steps)
                except (Aborted, DependencyDown, KafkaError) as error:
                    self._process.failed(error)
                    self._transactions.reset()
                except Fenced as error:
                    if not self._settings.share_sources:
                        raise
                    log.warning("others took over what this process was reading; it begins anew")
                    self._process.failed(DependencyDown("Kafka", error))
                    self._transactions.reset()
        finally:
            self._transactions.reset()
            with contextlib.suppress(DependencyDown):
                self._sharing.close(finished=self.finished)
            self._resources.close()

    def _know(self, said: Log) -> None:
        """What was read, and when the import began: an interrupted one goes on, and is not a later one."""
        self._resources.topic_ids = said.topic_ids()
        leases = self._leases() if self._settings.share_sources else None
        self._sharing = Sharing(self._broker, leases, self._fence)
        self._sharing.read(said)
        former = self._sharing.began
        self._said_that_it_began = bool(former.began_ms) and not former.complete
        self._import.began_ms = self._sharing.begin(self._import.began_ms)
        self._sharing.recorded.began_ms = self._import.began_ms

    def _leases(self) -> Leases:
        river = self._resources.topic_ids.get(PROGRESS, "")
        return Leases(self._resources.redis, river, self._id, self._settings.kafka.session_timeout_s)

    def _fence(self, owner: str) -> None:
        """Make that process unable to commit, and undo what it has begun."""
        transactions = Transactions(self._settings, self._service.name, owner, self._broker)
        try:
            transactions.open()
        finally:
            transactions.reset()
        log.warning("took over from a process that is not heard of", owner=owner)

    def _publish_all(self, steps: Iterator[Step | None]) -> None:
        pending: list[Step] = []
        batch = self._settings.batch
        num_documents, num_bytes, since = 0, 0, time.monotonic()
        for step in steps:
            if self._process.stopping:
                return
            self._process.health.moved()
            self._sharing.wait()
            if step is not None:
                since = since if pending else time.monotonic()  # not from when the reader began to look
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
        self._sharing.before_commit(steps)
        self._transactions.commit(outputs, {}, None)
        self._sharing.committed(steps)
        self._said_that_it_began = True
        self._process.worked()
        inflow.published(len(documents), len(unreadable), outputs)
        self._came = Came(
            self._came.files + sum(IngestProgress.FromString(step.progress).complete for step in steps),
            self._came.documents + len(documents),
            self._came.num_bytes + sum(len(value) for _, value in documents),
            self._came.unreadable + len(unreadable),
        )
        if self._tell is not None:
            self._tell(self._came._replace(files=self._came.files + self._sharing.num_known))

    def _inflow(self) -> Inflow:
        limit = self._settings.max_message_bytes
        return Inflow(self._source.name, self._output, self._resources.store, limit)


def _progress(value: bytes) -> Produce:
    key = IngestProgress.FromString(value).source.encode()
    return Produce(PROGRESS, value, key=key, spread=hash_of(key))
