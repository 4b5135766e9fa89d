"""The journal's file: one frame a transaction, so that each is there whole or not at all.

A frame is a head, what it tells (JSON), and its batches; the head is the sum of the head's rest, those of the
two that follow it, and how many bytes they have. What follows the last whole frame is of a write that was cut
off, if it is the beginning of a frame, or what a disk leaves that lost its power; the next write takes its
place. Anything else is damage: to write there would lose all that lies behind it.
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

_HEAD, _SUM = struct.Struct(">IIIIQ"), struct.Struct(">I")
MAGIC = b"corpusworks journal 2\n"


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
                raise ConfigurationError(
                    f"{self.path} is no journal of this version: give --out a new folder"
                )
            self._end = len(MAGIC)
        while (frame := self._frame(fd, size)) is not None:
            told, batches_at, self._end = frame
            yield told, batches_at

    def _frame(self, fd: int, size: int) -> tuple[dict[str, Any], int, int] | None:
        """What the next frame tells, where its batches begin, and its end; None: there is no whole one."""
        begin = self._end
        head = os.pread(fd, _HEAD.size, begin)
        if len(head) < _HEAD.size or not any(head):
            return None  # cut off
        own_sum, told_sum, batches_sum, told_bytes, batch_bytes = _HEAD.unpack(head)
        if own_sum != zlib.crc32(head[_SUM.size :]):
            raise self._damage(begin)
        batches_at = begin + _HEAD.size + told_bytes
        stop = batches_at + batch_bytes
        if stop > size:
            return None  # cut off
        told = self._bytes(fd, begin + _HEAD.size, batches_at)
        # Of the batches, each has a sum of its own by which it is read; to read them all now would take long.
        whole = told_sum == zlib.crc32(told)
        if stop < size and not whole:
            raise self._damage(begin)
        if stop == size and not (whole and batches_sum == zlib.crc32(self._bytes(fd, batches_at, stop))):
            return None  # cut off by a loss of power
        return json.loads(told), batches_at, stop

    def _damage(self, at: int) -> ConfigurationError:
        return ConfigurationError(
            f"{self.path} is damaged at byte {at}, and nothing behind it can be read: give --out a new "
            "folder, or put back a copy of this one"
        )

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
        """Where its batches begin. On the disk when this returns. Raises ConfigurationError: it is full."""
        assert self._writing is not None
        assert self._end >= len(MAGIC)
        text, batches_sum = json.dumps(told, separators=(",", ":")).encode(), 0
        for batch in batches:
            batches_sum = zlib.crc32(batch, batches_sum)
        rest = _HEAD.pack(0, zlib.crc32(text), batches_sum, len(text), sum(map(len, batches)))[_SUM.size :]
        head = _SUM.pack(zlib.crc32(rest)) + rest + text
        try:
            end = self._write(self._writing, (head, *batches))
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {error.strerror}") from error
        begin, self._end = self._end + len(head), end
        return begin

    def _write(self, fd: int, frame: Sequence[bytes]) -> int:
        """Where it ends."""
        os.ftruncate(fd, self._end)
        at = self._end
        for piece in frame:
            rest = memoryview(piece)
            while rest:
                written = os.pwrite(fd, rest, at)
                at, rest = at + written, rest[written:]
        os.fdatasync(fd)
        return at

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
