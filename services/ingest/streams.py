"""Files as streams of bytes, unpacked where they are compressed, whatever their name says."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import zstandard
from isal import igzip, isal_zlib  # as gzip and zlib, in half the time

from services.ingest.found import BUFFER_BYTES, Found

if TYPE_CHECKING:
    from typing_extensions import Buffer

HEAD_BYTES = 64 << 10  # what a dead letter keeps of a piece, and what a kind is recognised by

_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
_FIRST_BYTES = 2 << 10
_HEADER_BYTES = 18  # the longest header of a zstd frame
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # how pzstd and seekable zstd begin (RFC 8878, 3.1.2)

# What reading a damaged compressed file raises. Truncation is EOFError.
_GzipError = cast(type[Exception], isal_zlib.IsalError)  # its types call it an instance
Damaged = (EOFError, _GzipError, zstandard.ZstdError)


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
    came before it has been given out by then, but for the last 16 KiB (of zstd, 2 KiB packed) where a
    checksum disagrees.
    """
    with found.open() as file:
        magic = file.peek(4)[:4]
        if magic.startswith(_GZIP[:2]):
            unpacked = _Unpacked(file, _MEMBERS, lambda: isal_zlib.decompressobj(wbits=31))
            yield io.BufferedReader(unpacked, BUFFER_BYTES)
        elif magic == _ZSTD or _SKIPPABLE.match(magic):
            unpacker = zstandard.ZstdDecompressor(max_window_size=max_window_bytes)
            unpacked = _Unpacked(file, _FRAMES, unpacker.decompressobj, max_window_bytes)
            yield io.BufferedReader(unpacked, BUFFER_BYTES)
        else:
            yield file


def is_packed(stream: io.BufferedReader) -> bool:
    """Whether it was compressed as a whole."""
    return isinstance(stream.raw, _Unpacked)


def quick(stream: io.BufferedReader) -> io.BufferedReader:
    """The bytes of a stream of `opened` from their beginning on, unpacked in fewer steps where it is gzip.

    Where such a file is damaged, reading raises one of Damaged or OSError, and what it read ahead is lost:
    then it is to be read by a stream that is `restarted`. Of other files it is the stream itself. The two
    share a file: which is read on, is read alone.
    """
    raw = stream.raw
    if not isinstance(raw, _Unpacked) or raw.packing is not _MEMBERS:
        return stream
    raw.file.seek(0)
    return cast(io.BufferedReader, igzip.IGzipFile(fileobj=raw.file))  # type: ignore[no-untyped-call]


def restarted(stream: io.BufferedReader, at: int) -> io.BufferedReader:
    """A stream of `opened` of a packed file, read anew from that byte on. Raises as reading does."""
    raw = stream.raw
    assert isinstance(raw, _Unpacked)
    anew: io.BufferedReader = io.BufferedReader(raw.restarted(), BUFFER_BYTES)
    while at > 0 and (some := anew.read(min(at, 1 << 20))):
        at -= len(some)
    return anew


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


class _Frame(Protocol):
    """What zlib and zstd have in common: the state of unpacking one frame (gzip calls it a member).

    unused_data: what stands behind its end. unconsumed_tail: of what was given, what is to be given again.
    """

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def decompress(self) -> Callable[..., bytes]: ...


class _Packing(NamedTuple):
    """How a file is packed.

    magic: what a frame begins with; only: and each does. step: packed bytes that are given at once; bound: of
    what comes of them. That is against hostile files: 4 bytes of zstd, which knows no such bound, can stand
    for 128 KiB, so that a step of it is at most 64 MiB. Larger steps are not faster.
    """

    magic: bytes
    only: bool
    step: int
    bound: tuple[int, ...]


_MEMBERS = _Packing(_GZIP, only=True, step=16 << 10, bound=(16 << 10,))
_FRAMES = _Packing(_ZSTD, only=False, step=2 << 10, bound=())


class _Unpacked(io.RawIOBase):
    """Frames of gzip or zstd, one after the other, as one stream.

    Own, because GzipFile loses what it had unpacked when it meets the end of a truncated file, and the
    stream reader of zstandard takes such a file for a whole one.
    """

    def __init__(
        self,
        file: io.BufferedReader,
        packing: _Packing,
        new_frame: Callable[[], _Frame],
        max_window_bytes: int = 0,
    ) -> None:
        self.file = file
        self.packing = packing
        self._new_frame = new_frame
        self._max_window = max_window_bytes
        self._head = b""  # of the frame
        self._packed = b""  # what was given to the frame last
        self._pending = b""  # packed, and not given to any frame yet
        self._frame: _Frame | None = None
        self._plain = memoryview(b"")
        self._damage: Exception | None = None
        # At first: what tells of what kind a file is should not be lost with a damage a little behind it.
        self._step = _FIRST_BYTES

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

    def restarted(self) -> _Unpacked:
        """One that reads the same file from its beginning."""
        self.file.seek(0)
        return _Unpacked(self.file, self.packing, self._new_frame, self._max_window)

    def go_on(self) -> bool:
        """After a damage: go to the next frame, which may begin in what was given to the damaged one."""
        packed, magic = self._packed[1:], self.packing.magic
        while (at := packed.find(magic)) < 0:
            read = self._read()
            if not read:
                return False
            packed = packed[-len(magic) + 1 :] + read
        self._pending, self._frame, self._damage = packed[at:], None, None
        return True

    def _unpack(self) -> bool:
        """Fill `_plain`. False at the end, and at a damage, which waits until all before it was read."""
        if self._damage:
            return False
        try:
            while not self._plain:
                self._packed = packed = self._next()
                frame = self._frame
                if frame is None:
                    if not packed:
                        break
                    frame = self._begin(packed)
                self._plain = memoryview(frame.decompress(packed, *self.packing.bound))
                self._pending = frame.unconsumed_tail
                if not packed and not self._plain and not frame.eof:
                    raise EOFError("it ends in the middle")
        except zstandard.ZstdError as error:
            self._damage = self._too_large(error) or error
        except Damaged as error:
            self._damage = error
        return len(self._plain) > 0

    def _begin(self, packed: bytes) -> _Frame:
        magic = self.packing.magic
        if self.packing.only and packed[: len(magic)] != magic[: len(packed)]:
            # isal takes a few bytes of something else for the beginning of a member that is cut off.
            raise _GzipError("what follows is no member of gzip")
        self._frame, self._head = self._new_frame(), packed[:_HEADER_BYTES]
        return self._frame

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

    def _read(self) -> bytes:
        step, self._step = self._step, self.packing.step
        return self.file.read(step)

    def _next(self) -> bytes:
        """The next packed bytes. At the end of a frame, those after it; zeros there are padding."""
        if self._pending:
            packed, self._pending = self._pending, b""
            return packed
        if not (self._frame and self._frame.eof):
            return self._read()
        packed, self._frame = self._frame.unused_data.lstrip(b"\0"), None
        while not packed and (read := self._read()):
            packed = read.lstrip(b"\0")
        return packed
