"""A stream as fastwarc reads it, of which what it gave since a place can be had once more."""

from __future__ import annotations

import io
from collections import deque

from services.ingest.streams import Damaged, WindowTooLarge

_CHUNK_BYTES = 64 << 10


class Feed:
    """limit: bytes that are kept at most.

    A failure of any kind, or more kept than that, is the end to who reads it, but no `ended`.
    needed: what stands before that byte is not asked for again.
    """

    def __init__(self, stream: io.BufferedReader, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._kept: deque[bytes] = deque()
        self._begin = self._end = 0  # of what is kept
        self.needed = 0
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most `size`; none at the end."""
        kept = self._kept
        while kept and self._begin + len(kept[0]) <= self.needed:
            self._begin += len(kept.popleft())
        if self._end - self._begin > self._limit:
            return b""
        try:
            chunk = self._stream.read1(size if 0 <= size < _CHUNK_BYTES else _CHUNK_BYTES)
        except (OSError, MemoryError, WindowTooLarge, *Damaged):
            return b""
        self.ended = not chunk
        kept.append(chunk)
        self._end += len(chunk)
        return chunk

    def tell(self) -> int:
        """Bytes given so far."""
        return self._end

    def left(self) -> bytes:
        """All that was given from the byte that is needed on."""
        return b"".join(self._kept)[self.needed - self._begin :]
