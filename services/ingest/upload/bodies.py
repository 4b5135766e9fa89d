"""A body as it comes over the network, into pieces in the store."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

import xxhash
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from services.ingest.upload.refusal import Refusal
from services.ingest.upload.stored import Stored


class Body:
    """Writes what comes, behind `size` bytes that are there; size grows with each piece that is written."""

    def __init__(self, stored: Stored, pieces: str, piece_bytes: int, size: int = 0) -> None:
        self._stored = stored
        self._pieces = pieces
        self._piece_bytes = piece_bytes
        self._digest = xxhash.xxh3_128()
        self.size = size

    @property
    def digest(self) -> str:
        """Of what came here."""
        return self._digest.hexdigest()

    async def take(self, chunks: AsyncIterable[bytes], most: int) -> None:
        """Until the end. What came before a cut is in the store, too.

        Raises Refusal: 413 beyond `most` bytes in all, 409 where another writes the same upload;
        ClientDisconnect, DependencyDown.
        """
        waiting, ahead = bytearray(), self.size
        try:
            async for chunk in chunks:
                ahead += len(chunk)
                if ahead > most:
                    raise Refusal(413, f"more than {most:,} bytes")
                waiting += chunk
                while len(waiting) >= self._piece_bytes:
                    await self._write(bytes(waiting[: self._piece_bytes]))
                    del waiting[: self._piece_bytes]
        finally:
            if waiting and ahead <= most:
                await self._write(bytes(waiting))

    async def _write(self, data: bytes) -> None:
        if not await run_in_threadpool(self._stored.append, self._pieces, self.size, data):
            error = (
                f"another request writes this upload: at byte {self.size:,}; ask where it stands, and go on"
            )
            raise Refusal(409, error)
        self._digest.update(data)
        self.size += len(data)


async def chunks_of(request: Request) -> AsyncIterator[bytes]:
    """The body of a request. Raises ClientDisconnect."""
    async for chunk in request.stream():
        if chunk:
            yield chunk
