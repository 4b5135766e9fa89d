"""The journal's file: one frame a transaction, so that each is there whole or not at all.

A frame is `crc, bytes of what it tells, bytes of its batches`, what it tells (JSON), and the batches. What
follows the last whole frame is of a write that was cut off; the next write takes its place.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.runtime.errors import ConfigurationError

_HEAD = struct.Struct(">IIQ")
MAGIC = b"corpusworks journal 1\n"


class JournalFile:
    """Read by anyone; written by one process at a time, from its first write until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0  # of the frames that were read or written
        self._reading: int | None = None
        self._writing: int | None = None

    def frames(self) -> Iterator[tuple[dict[str, Any], int]]:
        """What each frame tells that was not told yet, and where its batches begin.

        Raises ConfigurationError: it is no journal, or is damaged in the middle.
        """
        fd = self._readable()
        if fd is None:
            return
        size = os.fstat(fd).st_size
        if self._end == 0:
            if (found := os.pread(fd, len(MAGIC), 0)) != MAGIC[: len(found)]:
                raise ConfigurationError(f"{self.path} is no journal of this version")
            self._end = len(MAGIC)
        while (head := os.pread(fd, _HEAD.size, self._end)) and len(head) == _HEAD.size:
            crc, told_bytes, batch_bytes = _HEAD.unpack(head)
            told_at = self._end + _HEAD.size
            stop = told_at + told_bytes + batch_bytes
            if stop > size or (stop == size and crc != zlib.crc32(self._bytes(fd, told_at, stop))):
                return  # cut off
            try:
                told = json.loads(self._bytes(fd, told_at, told_at + told_bytes))
            except ValueError as error:
                raise ConfigurationError(f"{self.path} is damaged at byte {self._end}") from error
            self._end = stop
            yield told, told_at + told_bytes

    def own(self) -> None:
        """From now on this process writes. The caller reads what is new by then.

        Raises ConfigurationError: another does, or the file cannot be written.
        """
        if self._writing is not None:
            return
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise ConfigurationError(f"another process writes {self.path}: wait for its end") from error
        self._writing = fd
        if os.fstat(fd).st_size < len(MAGIC):
            os.pwrite(fd, MAGIC, 0)

    def append(self, told: dict[str, Any], batches: Sequence[bytes] = ()) -> int:
        """Where its batches begin. On the disk when this returns. Raises ConfigurationError, OSError."""
        assert self._writing is not None
        assert self._end >= len(MAGIC)
        text = json.dumps(told, separators=(",", ":")).encode()
        crc = zlib.crc32(text)
        for batch in batches:
            crc = zlib.crc32(batch, crc)
        frame = b"".join((_HEAD.pack(crc, len(text), sum(map(len, batches))), text, *batches))
        os.ftruncate(self._writing, self._end)
        written = 0
        while written < len(frame):
            written += os.pwrite(self._writing, memoryview(frame)[written:], self._end + written)
        os.fdatasync(self._writing)
        begin = self._end + _HEAD.size + len(text)
        self._end += len(frame)
        return begin

    def read(self, position: int, num_bytes: int) -> bytes:
        """Of the batches."""
        fd = self._readable()
        assert fd is not None
        return self._bytes(fd, position, position + num_bytes)

    def close(self) -> None:
        """Others may write now."""
        for fd in (self._reading, self._writing):
            if fd is not None:
                os.close(fd)
        self._reading = self._writing = None

    def _readable(self) -> int | None:
        if self._reading is None:
            try:
                self._reading = os.open(self.path, os.O_RDONLY)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise ConfigurationError(f"{self.path} cannot be read: {error.strerror}") from error
        return self._reading

    @staticmethod
    def _bytes(fd: int, start: int, stop: int) -> bytes:
        found = b""
        while len(found) < stop - start:
            piece = os.pread(fd, stop - start - len(found), start + len(found))
            if not piece:
                break
            found += piece
        return found
