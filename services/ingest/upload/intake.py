"""From a delivery to documents in the river, by whichever replica takes it.

Order, and what each step prevents:
1. register — a document that is published is known, so that what the follower hears of it finds it
2. publish  — one transaction; from here on the river has it
3. came     — the next one to read the delivery goes on behind it
A kill between 2 and 3 has a few documents published again under the same uids, which dedup drops as
`already_seen`. At the end the delivery leaves the store, its bytes last.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import xxhash

from contracts import Document, IngestProgress
from services.ingest.config import IngestConfig
from services.ingest.upload import reader
from services.ingest.upload.archive import safe_name
from services.ingest.upload.config import UploadConfig
from services.ingest.upload.states import SKIPPED, UNDER_WAY, UNREADABLE, Item, States, Taken
from services.ingest.upload.stored import Delivery, Stored, today
from services.runtime import (
    IMPORT,
    ConfigurationError,
    CorpusworksError,
    DependencyDown,
    Fenced,
    Keeper,
    Publisher,
    Read,
    configure,
)

_TRIES = 3  # of a file whose reading fails for no reason of its own


class _Lost(Exception):
    """Another replica reads it now, or this one is to stop."""


@dataclass
class _Gathered:
    """Reads that become one transaction."""

    documents: list[Document] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    num_bytes: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, read: Read) -> None:
        self.reads.append(read)
        self.documents += read.documents
        self.num_bytes += sum(len(document.body) for document in read.documents)


class Intake:
    """One reader of deliveries, in a thread of its own."""

    def __init__(
        self, config: UploadConfig, keeper: Keeper, stored: Stored, states: States, number: int
    ) -> None:
        self._config = config
        self._keeper = keeper
        self._stored = stored
        self._states = states
        self._publisher: Publisher = keeper.publisher(str(number))
        self._token = uuid.uuid4().hex
        values = {"paths": ("-",)} | dict(keeper.settings.units.get("ingest", {}))
        self._ingest: IngestConfig = configure("ingest", IngestConfig, values)

    def round(self) -> bool:
        """Take a delivery and publish it; False: none waits. Raises DependencyDown, Fenced."""
        file = self._states.take(self._token)
        if file is None:
            return False
        try:
            delivery = self._stored.delivery(file)
        except FileNotFoundError:
            self._states.unknown(file)
            return True
        try:
            problem = self._take(delivery)
            self._stored.done(delivery)
            self._states.finished(delivery, problem)
            self._keeper.count("upload_files", "failed" if problem else "read")
        except _Lost:
            pass
        finally:
            self._states.give_back(file, self._token)
        return True

    def close(self) -> None:
        """Let go of Kafka."""
        self._publisher.close()

    def _take(self, delivery: Delivery) -> str:
        """Publish all of it; why that could not be, or nothing."""
        with TemporaryDirectory(prefix="upload-") as folder:
            path = Path(folder) / safe_name(delivery.name)
            with path.open("wb") as file:
                if not self._stored.copy(delivery, file):
                    return ""  # its bytes go last of all
            os.utime(path, ns=(0, 0))  # the same at every try, so that reading goes on at the same record
            try:
                self._publish_all(delivery, path)
            except (DependencyDown, ConfigurationError, Fenced):
                raise
            except CorpusworksError as error:  # the reader dies again and again
                if self._states.failed(delivery.file) < _TRIES:
                    raise DependencyDown("the reader", error) from error
                return f"{delivery.name}: {error}"
        return ""

    def _publish_all(self, delivery: Delivery, path: Path) -> None:
        taken = self._states.taken(delivery.file)
        config = reader.FileConfig(
            str(path), delivery.name, delivery.origin, taken.members, self._config, self._ingest
        )
        known = {IMPORT: IngestProgress(began_ms=delivery.accepted_ms)}
        if taken.current:
            current = IngestProgress.FromString(taken.current)
            known[current.source] = current
        batch = self._keeper.settings.batch
        gathered, held = _Gathered(), time.monotonic()
        for read in self._keeper.read(reader.RUN, config, known):
            if time.monotonic() - held > 5:
                held = time.monotonic()
                self._hold(delivery)
            if read is not None:
                gathered.add(read)
            if gathered.reads and (
                len(gathered.documents) >= batch.max_documents
                or gathered.num_bytes >= batch.max_bytes
                or time.monotonic() - gathered.since > batch.max_wait_s
            ):
                taken = self._publish(delivery, taken, gathered)
                gathered = _Gathered()
        if gathered.reads:
            self._publish(delivery, taken, gathered)

    def _hold(self, delivery: Delivery) -> None:
        if self._keeper.stopping or not self._states.hold(delivery.file, self._token):
            raise _Lost

    def _publish(self, delivery: Delivery, taken: Taken, gathered: _Gathered) -> Taken:
        self._hold(delivery)
        for document in gathered.documents:
            document.uid = xxhash.xxh3_64_intdigest(f"{document.source}\0{document.uid}".encode()) or 1
        items = [item for read in gathered.reads for item in _items(read)]
        self._states.register(delivery.batch, items)
        pieces = [piece for read in gathered.reads for piece in read.unreadable]
        self._publisher.publish(gathered.documents, pieces)
        self._states.spend(delivery.key, today(), 0, len(items))
        last = gathered.reads[-1].progress
        after = Taken(
            taken.members + sum(read.progress.complete for read in gathered.reads),
            b"" if last.complete else last.SerializeToString(),
        )
        self._states.came(delivery.file, after)
        self._keeper.count("upload_documents", number=len(gathered.documents))
        return after


def _items(read: Read) -> Iterator[Item]:
    for document in read.documents:
        yield Item(f"{document.uid:016x}", UNDER_WAY, document.source)
    for piece in read.unreadable:
        uid = xxhash.xxh3_64_hexdigest(f"{piece.source}\0unreadable".encode())
        yield Item(uid, UNREADABLE, piece.source, "upload", "unreadable", piece.error[:500])
    if read.progress.skipped:
        uid = xxhash.xxh3_64_hexdigest(f"{read.progress.source}\0skipped".encode())
        yield Item(uid, SKIPPED, read.progress.source, "upload", read.progress.skipped.replace("|", "/"))
