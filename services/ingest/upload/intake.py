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
from collections.abc import Iterator, Sequence
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
from services.ingest.upload.stored import Delivery, Stored, file_of, today
from services.runtime import (
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
_MOST_FILES, _MOST_BYTES = 100, 64 << 20  # read by one process, which costs a second to start
_HOLD_S = 5.0  # a sixth of a lease


class _Lost(Exception):
    """Another replica reads it now, or this one is to stop."""


@dataclass
class _Hand:
    """A delivery that is being read, and how far its documents are in the river."""

    delivery: Delivery
    taken: Taken


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
    """One reader of deliveries, in a thread of its own. Small ones are read together, by one process."""

    def __init__(
        self, config: UploadConfig, keeper: Keeper, stored: Stored, states: States, number: int
    ) -> None:
        self._config = config
        self._keeper = keeper
        self._stored = stored
        self._states = states
        self._publisher: Publisher = keeper.publisher(str(number))
        self._token = uuid.uuid4().hex
        self._one_by_one = 0  # deliveries that are still to be read alone, since one of them ends the process
        values = {"paths": ("-",)} | dict(keeper.settings.units.get("ingest", {}))
        self._ingest: IngestConfig = configure("ingest", IngestConfig, values)

    def round(self) -> bool:
        """Take deliveries and publish them; False: none waits. Raises DependencyDown, Fenced."""
        most = 1 if self._one_by_one else _MOST_FILES
        self._one_by_one = max(0, self._one_by_one - 1)
        files = self._states.take(self._token, most)
        try:
            hands = self._hands(files)
            if hands:
                self._take(hands)
        except _Lost:
            pass
        finally:
            for file in files:
                self._states.give_back(file, self._token)
        return bool(files)

    def close(self) -> None:
        """Let go of Kafka."""
        self._publisher.close()

    def _hands(self, files: Sequence[str]) -> dict[str, _Hand]:
        """By id; those that are too much for now are left out, and given back."""
        found: dict[str, _Hand] = {}
        num_bytes = 0
        for file in files:
            try:
                delivery = self._stored.delivery(file)
            except FileNotFoundError:
                self._states.unknown(file)
                continue
            num_bytes += delivery.size
            if found and num_bytes > _MOST_BYTES:
                break
            found[file] = _Hand(delivery, self._states.taken(file))
        return found

    def _take(self, hands: dict[str, _Hand]) -> None:
        with TemporaryDirectory(prefix="upload-") as folder:
            sent = [self._fetch(hand, Path(folder) / str(n)) for n, hand in enumerate(hands.values())]
            try:
                self._publish_all(hands, [file for file in sent if file is not None])
            except (DependencyDown, ConfigurationError, Fenced):
                raise
            except CorpusworksError as error:  # the reader dies again and again
                self._give_up(hands, error)
                return
        for hand in hands.values():
            self._finish(hand.delivery)

    def _fetch(self, hand: _Hand, folder: Path) -> reader.SentFile | None:
        """Into a scratch file; None: its bytes are gone, and they go last of all."""
        delivery = hand.delivery
        folder.mkdir()
        path = folder / safe_name(delivery.name)
        with path.open("wb") as file:
            if not self._stored.copy(delivery, file):
                return None
        os.utime(path, ns=(0, 0))  # the same at every try, so that reading goes on at the same record
        return reader.SentFile(
            str(path), delivery.name, delivery.origin, delivery.accepted_ms, hand.taken.members
        )

    def _give_up(self, hands: dict[str, _Hand], error: CorpusworksError) -> None:
        """Each alone, which shows which it is; that one a few times more."""
        self._one_by_one = 2 * len(hands)
        for file, hand in hands.items():
            if len(hands) == 1 and self._states.failed(file) >= _TRIES:
                self._finish(hand.delivery, f"{hand.delivery.name}: {error}")

    def _finish(self, delivery: Delivery, problem: str = "") -> None:
        self._stored.done(delivery)
        self._states.finished(delivery, problem)
        self._keeper.count("upload_files", "failed" if problem else "read")

    def _publish_all(self, hands: dict[str, _Hand], sent: Sequence[reader.SentFile]) -> None:
        config = reader.ReaderConfig(tuple(sent), self._config, self._ingest)
        current = [IngestProgress.FromString(h.taken.current) for h in hands.values() if h.taken.current]
        batch = self._keeper.settings.batch
        gathered, held = _Gathered(), time.monotonic()
        for read in self._keeper.read(reader.RUN, config, current):
            if time.monotonic() - held > _HOLD_S:
                held = time.monotonic()
                self._hold(hands)
            if read is not None:
                gathered.add(read)
            if gathered.reads and (
                len(gathered.documents) >= batch.max_documents
                or gathered.num_bytes >= batch.max_bytes
                or time.monotonic() - gathered.since > batch.max_wait_s
            ):
                self._publish(hands, gathered)
                gathered = _Gathered()
        if gathered.reads:
            self._publish(hands, gathered)

    def _hold(self, hands: dict[str, _Hand]) -> None:
        if self._keeper.stopping or not all(self._states.hold(file, self._token) for file in hands):
            raise _Lost

    def _publish(self, hands: dict[str, _Hand], gathered: _Gathered) -> None:
        by_file: dict[str, list[Read]] = {}
        for read in gathered.reads:
            by_file.setdefault(file_of(read.progress.source), []).append(read)
        self._hold({file: hands[file] for file in by_file})
        for document in gathered.documents:
            document.uid = xxhash.xxh3_64_intdigest(f"{document.source}\0{document.uid}".encode()) or 1
        for file, reads in by_file.items():
            items = [item for read in reads for item in _items(read)]
            self._states.register(hands[file].delivery.batch, items)
            self._states.spend(hands[file].delivery.key, today(), 0, len(items))
        pieces = [piece for read in gathered.reads for piece in read.unreadable]
        self._publisher.publish(gathered.documents, pieces)
        for file, reads in by_file.items():
            hands[file].taken = _behind(hands[file].taken, reads)
            self._states.came(file, hands[file].taken)
        self._keeper.count("upload_documents", number=len(gathered.documents))


def _behind(taken: Taken, reads: Sequence[Read]) -> Taken:
    last = reads[-1].progress
    members = taken.members + sum(read.progress.complete for read in reads)
    return Taken(members, b"" if last.complete else last.SerializeToString())


def _items(read: Read) -> Iterator[Item]:
    for document in read.documents:
        yield Item(f"{document.uid:016x}", UNDER_WAY, document.source)
    for piece in read.unreadable:
        uid = xxhash.xxh3_64_hexdigest(f"{piece.source}\0unreadable".encode())
        yield Item(uid, UNREADABLE, piece.source, "upload", "unreadable", piece.error[:500])
    if read.progress.skipped:
        uid = xxhash.xxh3_64_hexdigest(f"{read.progress.source}\0skipped".encode())
        yield Item(uid, SKIPPED, read.progress.source, "upload", read.progress.skipped.replace("|", "/"))
