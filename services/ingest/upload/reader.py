"""The source that reads files that were sent: each by itself, or member by member where it is an archive.

It runs in the process that the runtime gives to readers, so that what a file does to it, it does to itself.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from services.ingest.config import IngestConfig
from services.ingest.files import FileReader
from services.ingest.found import Found
from services.ingest.streams import Damaged, WindowTooLarge, is_packed, opened
from services.ingest.upload.archive import Archive, is_archive
from services.ingest.upload.config import UploadConfig
from services.runtime import Known, Read, Reading, Resources, Source

RUN = "services.ingest.upload.reader:READER"
_CHUNK = 1 << 20
_SILENCE_S = 1.0


@dataclass(frozen=True)
class SentFile:
    """path: where its bytes lie. name: what its sender calls it. origin: its URI. skip: members done with.

    accepted_ms: Unix time; of two documents that are equal the one that was sent earlier stays.
    """

    path: str
    name: str
    origin: str
    accepted_ms: int
    skip: int = 0


@dataclass(frozen=True)
class ReaderConfig:
    """What to read, one after the other."""

    files: tuple[SentFile, ...]
    limits: UploadConfig
    ingest: IngestConfig


class UploadReader:
    """A Reader over files that were sent.

    Each member is complete once, in the archive's order; a plain file is the only member of itself.
    """

    def __init__(self, config: ReaderConfig) -> None:
        self._limits = config.limits
        self._ingest = config.ingest
        self._files = config.files

    def __call__(self, known: Known) -> Iterator[Reading | Read]:
        """Reads what `known` does not say was read, and each file does not skip."""
        for file in self._files:
            yield from self._read(file, known)

    def _read(self, file: SentFile, known: Known) -> Iterator[Reading | Read]:
        window = self._ingest.max_window_bytes
        if is_archive(file.path, file.name, window):
            with tempfile.TemporaryDirectory(dir=Path(file.path).parent) as scratch:
                archive = Archive(
                    file.path, file.name, file.origin, Path(scratch), self._limits, window, file.skip
                )
                yield from self._reader(file, archive)(known)
            return
        if file.skip:
            return
        refused = ""
        for told in _unpacked(file.path, self._limits, window):
            if isinstance(told, str):
                refused = told
            else:
                yield told
        found = Found(file.path, named=True, origin=file.origin, refused=refused)
        yield from self._reader(file, [found])(known)

    def _reader(self, file: SentFile, found: Iterable[Found]) -> FileReader:
        return FileReader(self._ingest, now_ms=lambda: file.accepted_ms, find=lambda: found)


def _unpacked(path: str, limits: UploadConfig, max_window_bytes: int) -> Iterator[Reading | str]:
    """Reads a packed file once through, and says why it is refused if it is a bomb."""
    packed = Path(path).stat().st_size
    allowed = min(limits.max_unpacked_bytes, limits.max_ratio * packed + _CHUNK)
    size, heard = 0, time.monotonic()
    try:
        with opened(Found(path), max_window_bytes) as stream:
            if not is_packed(stream):
                return
            while data := stream.read(_CHUNK):
                size += len(data)
                if size > allowed:
                    yield f"it unpacks to more than {allowed:,} bytes; send it in several files"
                    return
                if time.monotonic() - heard > _SILENCE_S:
                    heard = time.monotonic()
                    yield Reading(None)
    except (WindowTooLarge, *Damaged):
        return  # whoever reads it says so, with the records that come before


def _build(config: ReaderConfig, resources: Resources) -> UploadReader:
    return UploadReader(config)


def _one_by_one(config: ReaderConfig) -> ReaderConfig:
    return replace(config, ingest=replace(config.ingest, chunk_documents=1))


READER = Source(name="upload", config=ReaderConfig, build=_build, careful=_one_by_one)
