"""The source that reads one file that was sent: by itself, or member by member where it is an archive.

It runs in the process that the runtime gives to readers, so that what a file does to it, it does to itself.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from contracts import IngestProgress
from services.ingest.config import IngestConfig
from services.ingest.files import FileReader
from services.ingest.streams import Damaged, WindowTooLarge, opened
from services.ingest.upload.archive import Archive, is_archive
from services.ingest.upload.config import UploadConfig
from services.ingest.walk import Found
from services.runtime import Read, Reading, Resources, Source

RUN = "services.ingest.upload.reader:READER"
_CHUNK = 1 << 20
_SILENCE_S = 1.0


@dataclass(frozen=True)
class FileConfig:
    """path: where its bytes lie. name: what its sender calls it. origin: its URI. skip: members done with."""

    path: str
    name: str
    origin: str
    skip: int = 0
    limits: UploadConfig = field(default_factory=UploadConfig)
    ingest: IngestConfig = field(default_factory=lambda: IngestConfig(paths=("-",)))


class UploadReader:
    """A Reader over one file."""

    def __init__(self, config: FileConfig) -> None:
        self._config = config

    def __call__(
        self, progress: Mapping[str, IngestProgress], passed: Collection[str] = ()
    ) -> Iterator[Reading | Read]:
        """Each member is complete once, in the archive's order; a plain file is the only member of itself."""
        config = self._config
        window = config.ingest.max_window_bytes
        if is_archive(config.path, config.name, window):
            with tempfile.TemporaryDirectory(dir=Path(config.path).parent) as scratch:
                archive = Archive(
                    config.path, config.name, config.origin, Path(scratch), config.limits, window, config.skip
                )
                yield from FileReader(config.ingest, find=lambda: archive)(progress, passed)
            return
        refused = ""
        for told in _unpacked(config, window):
            if isinstance(told, str):
                refused = told
            else:
                yield told
        found = Found(config.path, named=True, origin=config.origin, refused=refused)
        if not config.skip:
            yield from FileReader(config.ingest, find=lambda: [found])(progress, passed)


def _unpacked(config: FileConfig, max_window_bytes: int) -> Iterator[Reading | str]:
    """Reads a packed file once through, and says why it is refused if it is a bomb."""
    packed = Path(config.path).stat().st_size
    allowed = min(config.limits.max_unpacked_bytes, config.limits.max_ratio * packed + _CHUNK)
    size, heard = 0, time.monotonic()
    try:
        with opened(config.path, max_window_bytes) as stream:
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


def _build(config: FileConfig, resources: Resources) -> UploadReader:
    return UploadReader(config)


def _one_by_one(config: FileConfig) -> FileConfig:
    return replace(config, ingest=replace(config.ingest, chunk_documents=1))


READER = Source(name="upload", config=FileConfig, build=_build, careful=_one_by_one)
