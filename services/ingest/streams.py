"""Files as streams of bytes, unpacked where they are compressed, whatever their name says."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import zstandard

from services.ingest.found import BUFFER_BYTES, Found

if TYPE_CHECKING:
    from typing_extensions import Buffer

HEAD_BYTES = 64 << 10  # what a dead letter keeps of a piece, and what a kind is recognised by

_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
_HEADER_BYTES = 18  # the longest header of a zstd frame
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # how pzstd and seekable zstd begin (RFC 8878, 3.1.2)

# What reading a damaged compressed file raises. Truncation is EOFError.
Damaged = (EOFError, zlib.error, zstandard.ZstdError)


class WindowTooLarge(Exception):
    """A zstd frame wants more memory than it may have. The text names both, and the setting."""


class Overlong(NamedTuple):
    """A line that was passed over: its first HEAD_BYTES and its size in bytes."""

    head: bytes
    size: int


@contextmanager
def opened(found: Found, max_window_bytes: int) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked if it begins as gzip or zstd does. Raises OSError.

    Reading raises one of Damaged where a compressed file is broken or ends early, or WindowTooLarge. What
    came before it has been given out by then, but for the last 2 KiB packed where a checksum disagrees.
    """
    with found.open() as file:
        magic = file.peek(4)[:4]
        if magic.startswith(_GZIP[:2]):
            unpacked = _Unpacked(file, lambda: zlib.decompressobj(wbits=31), _GZIP)
            yield io.BufferedReader(unpacked, BUFFER_BYTES)
        elif magic == _ZSTD or _SKIPPABLE.match(magic):
            unpacker = zstandard.ZstdDecompressor(max_window_size=max_window_bytes)
            unpacked = _Unpacked(file, unpacker.decompressobj, _ZSTD, max_window_bytes)
            yield io.BufferedReader(unpacked, BUFFER_BYTES)
        else:
            yield file


def is_packed(stream: io.BufferedReader) -> bool:
    """Whether it was compressed as a whole."""
    return isinstance(stream.raw, _Unpacked)


def stored(stream: io.BufferedReader) -> io.BufferedReader | None:
    """The file that a stream of `opened` reads, if it is plain or gzip; it moves with the stream."""
    if not isinstance(stream.raw, _Unpacked):
        return stream
    return stream.raw.file if stream.raw.magic == _GZIP else None


def restarted(stream: io.BufferedReader, at: int) -> io.BufferedReader:
    """A stream of `opened`, read from that byte of its file on: a frame begins there, if it is packed."""
    if not isinstance(stream.raw, _Unpacked):
        stream.seek(at)
        return stream
    return io.BufferedReader(stream.raw.restarted(at), BUFFER_BYTES)


def go_on_after_damage(stream: io.BufferedReader) -> bool:
    """Let a compressed stream that has raised go on at its next frame. False when there is none."""
    return isinstance(stream.raw, _Unpacked) and stream.raw.go_on()


def lines(stream: io.BufferedReader, limit: int) -> Iterator[bytes | Overlong]:
    """Lines with their ends. One of more than `limit` bytes is passed over in constant memory."""
    while line := stream.readline(limit + 1):
        if len(line) <= limit or line.endswith(b"\n"):
            yield line
            continue
        head, size = line[:HEAD_BYTES], len(line)
        line = b""
        while rest := stream.readline(1 << 20):
            size += len(rest)
            if rest.endswith(b"\n"):
                break
        yield Overlong(head, size)


class _Frames(Protocol):
    """What zlib and zstd have in common: the state of unpacking one frame (gzip calls it a member)."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Unpacked(io.RawIOBase):
    """Frames of gzip or zstd, one after the other, as one stream.

    Own, because GzipFile loses what it had unpacked when it meets the end of a truncated file, and the
    stream reader of zstandard takes such a file for a whole one.
    """

    # Bounds the memory of one step against hostile files: 4 bytes of zstd can stand for 128 KiB, so
    # that a step is at most 64 MiB. Larger steps are not faster.
    _STEP_BYTES = 2 << 10

    def __init__(
        self,
        file: io.BufferedReader,
        new_frame: Callable[[], _Frames],
        magic: bytes,
        max_window_bytes: int = 0,
    ) -> None:
        self.file = file
        self._new_frame = new_frame
        self.magic = magic
        self._max_window = max_window_bytes
        self._head = b""  # of the frame
        self._packed = b""  # what was given to the frame last
        self._pending = b""  # packed, and not given to any frame yet
        self._frame: _Frames | None = None
        self._plain = memoryview(b"")
        self._damage: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        into, count = memoryview(buffer), 0
        while count < len(into) and (self._plain or self._unpack()):
            step = min(len(into) - count, len(self._plain))
            into[count : count + step] = self._plain[:step]
            self._plain = self._plain[step:]
            count += step
        if self._damage and not count:
            raise self._damage
        return count

    def restarted(self, at: int) -> _Unpacked:
        """One that reads the same file from there."""
        self.file.seek(at)
        return _Unpacked(self.file, self._new_frame, self.magic, self._max_window)

    def go_on(self) -> bool:
        """After a damage: go to the next frame, which may begin in what was given to the damaged one."""
        packed = self._packed[1:]
        while (at := packed.find(self.magic)) < 0:
            read = self.file.read(self._STEP_BYTES)
            if not read:
                return False
            packed = packed[-len(self.magic) + 1 :] + read
        self._pending, self._frame, self._damage = packed[at:], None, None
        return True

    def _unpack(self) -> bool:
        """Fill `_plain`. False at the end, and at a damage, which waits until all before it was read."""
        if self._damage:
            return False
        try:
            while not self._plain and (packed := self._next()):
                if self._frame is None:
                    self._frame, self._head = self._new_frame(), b""
                self._head += packed[: _HEADER_BYTES - len(self._head)]
                self._packed = packed
                self._plain = memoryview(self._frame.decompress(packed))
            if not self._plain and self._frame and not self._frame.eof:
                raise EOFError("it ends in the middle")
        except zstandard.ZstdError as error:
            self._damage = self._too_large(error) or error
        except Damaged as error:
            self._damage = error
        return len(self._plain) > 0

    def _too_large(self, error: zstandard.ZstdError) -> WindowTooLarge | None:
        """The reason of an error, if it is the window of the frame."""
        if "memory" not in str(error):
            return None
        window = zstandard.get_frame_parameters(self._head).window_size
        limit, setting = f"the limit of {self._max_window:,}", "CORPUSWORKS_UNITS__INGEST__MAX_WINDOW_BYTES"
        if window <= self._max_window:
            limit, setting = "this process may have", "CORPUSWORKS_MEMORY_LIMIT_BYTES"
        return WindowTooLarge(
            f"its zstd window of {window:,} bytes is more than {limit}; raise {setting}, or pack the file "
            "anew without --long"
        )

    def _next(self) -> bytes:
        """The next packed bytes. At the end of a frame, those after it; zeros there are padding."""
        if self._pending:
            packed, self._pending = self._pending, b""
            return packed
        if not (self._frame and self._frame.eof):
            return self.file.read(self._STEP_BYTES)
        packed, self._frame = self._frame.unused_data.lstrip(b"\0"), None
        while not packed and (read := self.file.read(self._STEP_BYTES)):
            packed = read.lstrip(b"\0")
        return packed
