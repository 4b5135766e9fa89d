"""A source that does to its process what the lines of its files say."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import xxhash

from contracts import Document, IngestProgress
from services.runtime import (
    ConfigurationError,
    DependencyDown,
    Known,
    Read,
    Reading,
    Resources,
    Source,
    Unreadable,
)


@dataclass(frozen=True)
class LinesConfig:
    """files: read in this order; chunk: lines in a Read."""

    files: tuple[str, ...]
    chunk: int = 10


class LinesReader:
    """A document a line; a line that is a command is obeyed."""

    def __init__(self, config: LinesConfig) -> None:
        self._config = config

    def __call__(self, known: Known) -> Iterator[Reading | Read]:
        """Files that are complete, or passed, are left alone."""
        for name in self._config.files:
            _obey(name)
            for before in known.take([IngestProgress(source=name, fingerprint="f")]).mine:
                yield Reading(before)
                yield from self._read(name, before.num_records)

    def _read(self, name: str, skip: int) -> Iterator[Read | Reading]:
        documents: list[Document] = []
        unreadable: list[Unreadable] = []
        reached, complete = skip, True
        for number, line in enumerate(Path(name).read_text().splitlines()[skip:], skip + 1):
            if line == "denied":
                unreadable, complete = [Unreadable(name, b"head", "may not be read")], False
                break
            if line.startswith("slow"):
                time.sleep(float(line.split()[1]))
                yield Reading(IngestProgress(source=name, fingerprint="f", num_records=skip))
                continue
            _obey(line)
            documents.append(
                Document(id=line, uid=xxhash.xxh3_64_intdigest(f"{name} {line}".encode()), text=line)
            )
            reached = number
            if len(documents) == self._config.chunk:
                yield Read(documents, IngestProgress(source=name, fingerprint="f", num_records=reached))
                documents = []
        after = IngestProgress(source=name, fingerprint="f", num_records=reached, complete=complete)
        yield Read(documents, after, unreadable)


def _obey(line: str) -> None:
    command, _, argument = line.partition(" ")
    if command == "hang":
        time.sleep(3600)
    if command == "segfault":
        ctypes.string_at(0)
    if command == "abort":
        os.kill(os.getpid(), signal.SIGABRT)
    if command == "exit":
        os._exit(17)
    if command == "memory":
        hoard = [bytearray(64 << 20) for _ in range(1 << 10)]
        raise AssertionError(f"{len(hoard)} blocks fitted")
    if command == "raise":
        raise ValueError("no such thing")
    if command == "killed":  # as if by somebody else, so many times
        left = int(Path(argument).read_text())
        if left:
            Path(argument).write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)
    if command == "down":
        raise DependencyDown("disk", "gone")


def _build(config: LinesConfig, resources: Resources) -> LinesReader:
    if "nowhere" in config.files:
        raise ConfigurationError("nowhere is not there")
    return LinesReader(config)


def _careful(config: LinesConfig) -> LinesConfig:
    return replace(config, chunk=1)


LINES = Source("lines", LinesConfig, _build, _careful)
