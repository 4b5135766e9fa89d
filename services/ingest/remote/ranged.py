"""A file elsewhere as one to read from at any place: by ranges, a block ahead of who reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from services.ingest.found import BUFFER_BYTES, Found

# A block doubles as long as who reads goes straight on: a Parquet file is read here and there, some kilobytes
# at a time, and a packed one from its beginning to its end.
_BLOCK_BYTES = (256 << 10, 8 << 20)

Fetch = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Remote(Found):
    """size: bytes. version: another when the content is. fetch: the bytes from one place to
    before another, tried again while that helps; raises OSError for the file's fault, else CorpusworksError.
    """

    size: int = 0
    version: str = ""
    fetch: Fetch | None = None

    def as_named(self) -> Remote:
        """The user named this very file."""
        return replace(self, named=True)

    def stamp(self) -> str:
        """See Found."""
        return f"{self.size}-{self.version}"

    def open(self) -> io.BufferedReader:
        """See Found. Two blocks of it are in memory at most."""
        assert self.fetch is not None
        return io.BufferedReader(_Ranged(self.fetch, self.size), BUFFER_BYTES)


class _Ranged(io.RawIOBase):
    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0
        self._block = memoryview(b"")
        self._begins = 0  # where the block lies in the file
        self._length = _BLOCK_BYTES[0]  # of the next block
        self._ahead: tuple[int, Future[bytes]] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if not 0 <= self._at - self._begins < len(self._block):
            self._next_block(len(buffer))
        piece = self._block[self._at - self._begins :][: len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._forget_ahead()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None
        super().close()

    def _next_block(self, wanted: int) -> None:
        straight_on = self._at == self._begins + len(self._block) and self._at > 0
        self._length = min(2 * self._length, _BLOCK_BYTES[1]) if straight_on else _BLOCK_BYTES[0]
        if self._ahead is not None and self._ahead[0] == self._at:
            data = self._ahead[1].result()
            self._ahead = None
        else:
            self._forget_ahead()
            data = self._fetch(self._at, min(self._size, self._at + max(self._length, wanted)))
        self._block, self._begins = memoryview(data), self._at
        after = self._at + len(data)
        if straight_on and after < self._size:
            self._thread = self._thread or ThreadPoolExecutor(1, "ahead")
            before = min(self._size, after + min(2 * self._length, _BLOCK_BYTES[1]))
            self._ahead = after, self._thread.submit(self._fetch, after, before)

    def _forget_ahead(self) -> None:
        """What was asked for ahead is not wanted: who reads has gone elsewhere."""
        if self._ahead is not None and not self._ahead[1].cancel():
            self._ahead[1].exception()  # wait: two requests of one client at once would be two threads'
        self._ahead = None
