"""The source that reads files that were sent: each by itself, or member by member where it is an archive.

It runs in the process that the runtime gives to readers, so that what a file does to it, it does to itself.
"""

from __future__ import annotations

import tempfile
import time
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from contracts import IngestProgress
from services.ingest.config import IngestConfig
from services.ingest.files import FileReader
from services.ingest.streams import Damaged, WindowTooLarge, opened
from services.ingest.upload.archive import Archive, is_archive
from services.ingest.upload.config import UploadConfig
from services.ingest.walk import Found
from services.runtime import IMPORT, Read, Reading, Resources, Source

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

    def __call__(
        self, progress: Mapping[str, IngestProgress], passed: Collection[str] = ()
    ) -> Iterator[Reading | Read]:
        """Reads what `progress` does not say was read, and each file does not skip."""
        for file in self._files:
            began = {IMPORT: IngestProgress(began_ms=file.accepted_ms)}
            yield from self._read(file, ChainMap(began, dict(progress)), passed)

    def _read(
        self, file: SentFile, progress: Mapping[str, IngestProgress], passed: Collection[str]
    ) -> Iterator[Reading | Read]:
        window = self._ingest.max_window_bytes
        if is_archive(file.path, file.name, window):
            with tempfile.TemporaryDirectory(dir=Path(file.path).parent) as scratch:
                archive = Archive(
                    file.path, file.name, file.origin, Path(scratch), self._limits, window, file.skip
                )
                yield from FileReader(self._ingest, find=lambda: archive)(progress, passed)
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
        yield from FileReader(self._ingest, find=lambda: [found])(progress, passed)


def _unpacked(path: str, limits: UploadConfig, max_window_bytes: int) -> Iterator[Reading | str]:
    """Reads a packed file once through, and says why it is refused if it is a bomb."""
    packed = Path(path).stat().st_size
    allowed = min(limits.max_unpacked_bytes, limits.max_ratio * packed + _CHUNK)
    size, heard = 0, time.monotonic()
    try:
        with opened(path, max_window_bytes) as stream:
            if type(stream.raw).__name__ == "FileIO":
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
