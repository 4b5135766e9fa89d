"""The source: files and folders, read in chunks, resumed at the record where reading stopped.

Whatever a file does to what reads it, it costs itself alone: an exception becomes a dead letter for the
record or the file here, a hang or a crash in the runtime, which is told of each file before it is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import xxhash

from contracts import Document, IngestProgress, media_types
from services.ingest import arc, kinds, parquet, records, table_rows, walk, warc
from services.ingest.config import IngestConfig
from services.ingest.document import Maker, NotADocument
from services.ingest.found import Found, Refused, Skipped
from services.ingest.records import Piece, said
from services.ingest.streams import HEAD_BYTES, Damaged, WindowTooLarge, opened
from services.runtime import CorpusworksError, Known, Read, Reading, Resources, Unreadable

# Files that are asked for at once: many small ones, or a large one, so that what others may take is not held.
_MOST_FILES, _MOST_BYTES = 128, 64 << 20
_MOST_WAITING = 4096  # files of others that are remembered; more are looked at on the way
_LOOK_AGAIN_S = 0.5
_SILENCE_S = 1.0  # the longest time without a word to the runtime, while all is known already


def build(config: IngestConfig, resources: Resources) -> FileReader:
    """Raises ConfigurationError naming a path that is not there, Unreachable."""
    walk.check(config.paths)
    walk.check_remote(config)
    return FileReader(config)


class FileReader:
    """A Reader over what `find` finds: `config.paths`, if it is not given.

    now_ms: the clock, Unix milliseconds, where no import is known. find: each of its files may be gone when
    the next is asked for.

    A file that was read to its end is read again only when its size, its time of change or a setting
    that decides what its records become is different; then from its first record, and the records that
    are the same get the same uid. A file that cannot be read (permissions, a failing disk) is reported
    by each run and stays incomplete. One that is no document by nature (an image in a folder of texts)
    is recorded once, with no records and the reason.
    """

    def __init__(
        self,
        config: IngestConfig,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        find: Callable[[], Iterable[Found]] | None = None,
    ) -> None:
        self._config = config
        self._find = find or partial(walk.find, config)
        self._most_files = _MOST_FILES if find is None else 1
        self._now_ms = now_ms
        self._formats = kinds.formats()
        decisive: tuple[object, ...] = (config.text_fields, config.id_fields, config.max_document_bytes)
        decisive += (config.preset,) if config.preset else ()
        self._settings = xxhash.xxh32_hexdigest(repr(decisive).encode())

    def __call__(self, known: Known) -> Iterator[Reading | Read]:
        """Reads what `known` does not say was read, some files at a time."""
        self._maker = Maker(self._config, known.began_ms or self._now_ms())
        pulse = _Pulse()
        waiting: list[_Entry] = []  # what others read: they may be killed
        some: list[_Entry] = []
        for found in self._find():
            if pulse.due():
                yield Reading(None)
            some.append(self._entry(found))
            if len(some) >= self._most_files or sum(entry.size for entry in some) >= _MOST_BYTES:
                waiting += yield from self._taken(known, some)
                some = []
                if len(waiting) > _MOST_WAITING:
                    waiting = yield from self._taken(known, waiting)
        waiting += yield from self._taken(known, some)
        while waiting:
            time.sleep(_LOOK_AGAIN_S)
            yield Reading(None)
            waiting = yield from self._taken(known, waiting)

    def _entry(self, found: Found) -> _Entry:
        """Raises CorpusworksError."""
        # What was passed over in a folder is read where it is named.
        named = "-named" if found.named and not kinds.is_told(found.path) else ""
        try:
            return _Entry(found, f"{found.stamp()}-{self._settings}{named}")
        except (OSError, Skipped, Refused) as error:
            return _Entry(found, "", error)

    def _taken(
        self, known: Known, entries: Sequence[_Entry]
    ) -> Generator[Reading | Read, None, list[_Entry]]:
        """Read those of them that are ours; returns those that others read."""
        if not entries:
            return []
        sources = [IngestProgress(source=entry.found.uri, fingerprint=entry.fingerprint) for entry in entries]
        taken = known.take(sources)
        mine, others = {each.source: each for each in taken.mine}, set(taken.others)
        for entry in entries:
            if (start := mine.get(entry.found.uri)) is not None:
                yield from self._read(entry, start)
        return [entry for entry in entries if entry.found.uri in others]

    def _read(self, entry: _Entry, start: IngestProgress) -> Iterator[Reading | Read]:
        found = entry.found
        try:
            if entry.failure:
                raise entry.failure
            yield Reading(start)
            yield from self._chunks(found, start)
        except Skipped as reason:
            after = IngestProgress(
                source=found.uri, fingerprint=entry.fingerprint, complete=True, skipped=str(reason)
            )
            yield Read((), after)
        except Refused as reason:
            piece = Unreadable(found.uri, b"", f"{found.shown}: {reason}")
            yield Read((), IngestProgress(source=found.uri, complete=True), [piece])
        except OSError as error:
            yield Read((), IngestProgress(source=found.uri, fingerprint=""), [_failed(found, error)])

    def _chunks(self, found: Found, start: IngestProgress) -> Iterator[Reading | Read]:
        """Reads of bounded size, each before the next record is touched; the last says that all is read."""
        documents: list[Document] = []
        unreadable: list[Unreadable] = []
        size, reached = 0, start.num_records
        maker, pulse = self._maker, _Pulse()
        counted = maker.num_bytes

        def read(complete: bool) -> Read:
            after = IngestProgress(
                source=found.uri, fingerprint=start.fingerprint, num_records=reached, complete=complete
            )
            return Read(documents, after, unreadable)

        complete = True
        most, most_bytes = self._config.chunk_documents, self._config.chunk_bytes
        try:
            for number, piece in self._pieces(found, start.num_records):
                if piece is None:
                    reached = max(reached, number)
                    if pulse.due():
                        yield Reading(start)
                    continue
                before, counted = counted, maker.num_bytes
                added = len(piece.head) if isinstance(piece, Unreadable) else counted - before
                if size and size + added > most_bytes:
                    yield read(complete=False)
                    documents, unreadable, size = [], [], 0
                if isinstance(piece, Unreadable):
                    unreadable.append(piece)
                else:
                    documents.append(piece)
                size, reached = size + added, number
                if len(documents) + len(unreadable) >= most:
                    yield read(complete=False)
                    documents, unreadable, size = [], [], 0
        except (
            Skipped,
            CorpusworksError,
            MemoryError,
        ):  # memory may be short for others' sake: the runtime tries it afresh
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises, it is this file's fault
            if isinstance(error, OSError) and error.errno is not None:
                # The disk: what came before it stands, and the next run tries again from there.
                complete = False
                unreadable.append(_failed(found, error))
            else:
                reached += 1
                problem = f"{found.shown}: reading it fails at record {reached:,}: {said(error)}"
                unreadable.append(
                    Unreadable(f"{found.uri}#{reached}", b"", f"{problem}; mend the file or write it anew")
                )
        yield read(complete)

    def _pieces(self, found: Found, skip: int) -> Iterator[Piece]:
        number = skip
        try:
            with opened(found, self._config.max_window_bytes) as stream:
                head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
                kind = kinds.recognise(found.path, head, self._config.text_fields, named=found.named)
                if not head:
                    pieces = _empty(found, kind)
                elif kind in (None, media_types.TEXT) and self._is_table(found, head):
                    pieces = table_rows.csv_rows(found, stream, self._maker, skip)
                elif kind is None:
                    pieces = _unknown(found, head)
                elif kind == kinds.JSON_LINES:
                    pieces = records.json_lines(found, stream, self._maker, skip)
                elif kind == kinds.JSON:
                    pieces = records.json_file(found, stream, self._maker, skip)
                elif kind == kinds.WARC:
                    pieces = warc.records(found, stream, self._maker, skip)
                elif kind == kinds.ARC:
                    pieces = arc.records(found, stream, self._maker, skip)
                elif kind == kinds.PARQUET:
                    pieces = parquet.rows(found, stream, self._maker, skip)
                elif (form := self._formats.get(kind)) is not None:
                    pieces = records.of_format(found, stream, form, self._maker, skip)
                else:
                    pieces = self._whole(found, stream.read(self._config.max_document_bytes + 1), kind)
                for piece in pieces:
                    number = piece[0]
                    yield piece
        except Damaged as error:
            problem = (
                f"{found.shown}: the compressed file is damaged or cut off after record {number}: {error}"
            )
            yield number + 1, Unreadable(f"{found.uri}#{number + 1}", b"", f"{problem}; fetch it again")
        except WindowTooLarge as error:
            yield number + 1, Unreadable(f"{found.uri}#{number + 1}", b"", f"{found.shown}: {error}")

    def _is_table(self, found: Found, head: bytes) -> bool:
        """Data are no text, but for those of layouts that are known."""
        if kinds.suffix_of(found.path) != ".csv":
            return False
        names = table_rows.header_of(head)
        known = self._maker.preset_of(names, found.uri)
        return known is not None and known[0].text in names

    def _whole(self, found: Found, body: bytes, media_type: str) -> Iterator[Piece]:
        try:
            yield 1, self._maker.of_file(found.uri, body, media_type)
        except NotADocument as error:
            yield 1, Unreadable(found.uri, body[:HEAD_BYTES], f"{found.shown}: at least {error}")


class _Entry(NamedTuple):
    """A file of the list. failure: why there is no fingerprint."""

    found: Found
    fingerprint: str
    failure: OSError | Skipped | Refused | None = None

    @property
    def size(self) -> int:
        """Bytes; 0 where it is not known."""
        return int(self.fingerprint.partition("-")[0] or 0)


class _Pulse:
    """Says when it is time for a word, so that reading is not taken for hanging."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._last < _SILENCE_S:
            return False
        self._last = now
        return True


def _empty(found: Found, kind: str | None) -> Iterator[Piece]:
    """An empty module is a habit of programmers; an empty page or PDF is a download that failed."""
    if not found.named and (kind is None or kinds.is_source(kind)):
        raise Skipped("empty source file" if kind else _unknown_kind(found))
    yield 1, Unreadable(found.uri, b"", f"{found.shown}: empty file; fetch it again or remove it")


def _unknown(found: Found, head: bytes) -> Iterator[Piece]:
    if not found.named:
        raise Skipped(_unknown_kind(found))
    problem = (
        f"{found.shown}: neither its name nor its first bytes say what it holds; give it a suffix such as "
        ".txt, .html, .pdf or .jsonl if it is one of those, unpack it if it is an archive"
    )
    yield 1, Unreadable(found.uri, head, problem)


def _unknown_kind(found: Found) -> str:
    suffix = kinds.suffix_of(found.path)
    if suffix == ".json":
        return kinds.NO_TEXT_FIELD
    # Suffixes that are sentences or numbers would give a reason for each file.
    usual = 1 < len(suffix) <= 12 and suffix.isascii() and not suffix[1:].isdigit()
    return f"unknown kind {suffix}" if usual else "unknown kind, no usual suffix"


def _failed(found: Found, error: OSError) -> Unreadable:
    what = "folder cannot be listed" if found.error else "cannot be read"
    return Unreadable(
        found.uri,
        b"",
        f"{found.shown}: {what}: {error.strerror or error}; grant access or mend it, then run again",
    )
