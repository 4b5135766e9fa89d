"""From a body to a delivery: in the store before it is acknowledged, once for each idempotency key."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterable
from dataclasses import dataclass

import xxhash
from starlette.concurrency import run_in_threadpool

from services.ingest.upload.bodies import Body
from services.ingest.upload.config import UploadConfig
from services.ingest.upload.keys import Key
from services.ingest.upload.refusal import Refusal
from services.ingest.upload.states import States
from services.ingest.upload.stored import Begun, Delivery, Stored, now_ms, today


@dataclass(frozen=True)
class Sent:
    """What a request says of a body. repeat_key: its Idempotency-Key; number: of several in one request."""

    key: Key
    name: str
    batch: str
    repeat_key: str = ""
    number: int = 0

    @property
    def file(self) -> str:
        """The delivery's id: the same for the same key."""
        return id_of(self.key, self.repeat_key, f"file {self.number}")


def id_of(key: Key, repeat_key: str, what: str) -> str:
    """An id; of an idempotency key the same at every call, so that it needs no memory."""
    if not repeat_key:
        return secrets.token_hex(12)
    said = "\0".join((key.name, repeat_key, what))
    return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


class Receiver:
    """Its methods raise Refusal, DependencyDown, ClientDisconnect."""

    def __init__(self, config: UploadConfig, stored: Stored, states: States) -> None:
        self.config = config
        self.stored = stored
        self.states = states

    async def batch(self, key: Key, given: str | None, repeat_key: str) -> str:
        """The batch that a file goes into: the one that is named, if it is the sender's own, or a new one."""
        if not given:
            return id_of(key, repeat_key, "batch")
        owner = await run_in_threadpool(self.states.owner, given)
        if owner != key.name:
            raise Refusal(404, f"there is no batch {given!r} of this key; `POST /batches` begins one")
        return given

    async def take(self, sent: Sent, chunks: AsyncIterable[bytes]) -> tuple[Delivery, bool]:
        """A body in one request; whether it was known already, and nothing was done."""
        file = sent.file
        if sent.repeat_key and (known := await run_in_threadpool(self.states.file, file)):
            digest, size = await _digest(chunks, self.config.max_request_bytes)
            _same(known["digest"], digest)
            was = Delivery(file, known["batch"], sent.key.name, known["name"], size, "", 0, digest)
            return was, True
        pieces = self.stored.new_pieces(f"{file}-{secrets.token_hex(4)}")
        body = Body(self.stored, pieces, self.config.piece_bytes)
        try:
            await body.take(chunks, self.config.max_request_bytes)
            if not body.size:
                raise Refusal(400, f"{sent.name}: the body is empty; send the file's bytes")
            mine = Delivery(
                file, sent.batch, sent.key.name, sent.name, body.size, pieces, now_ms(), body.digest
            )
            accepted = await run_in_threadpool(self.stored.accept, mine)
            if accepted.pieces != pieces:
                _same(accepted.digest, mine.digest)
        except BaseException:
            if body.size:
                await run_in_threadpool(self.stored.discard, pieces)
            raise
        if accepted.pieces != pieces:  # two requests with one key at once
            await run_in_threadpool(self.stored.discard, pieces)
        await run_in_threadpool(self.states.received, accepted)
        return accepted, accepted.pieces != pieces

    async def begin(self, sent: Sent, size: int) -> Begun:
        """A resumable upload."""
        begun = Begun(secrets.token_hex(16), sent.file, sent.batch, sent.key.name, sent.name, size, today())
        await run_in_threadpool(self.stored.begin, begun)
        return begun

    async def begun(self, key: Key, id: str) -> Begun:
        """A resumable upload of this key. Raises Refusal: 404."""
        try:
            found = await run_in_threadpool(self.stored.begun, id)
        except FileNotFoundError:
            found = None
        if found is None or found.key != key.name:
            raise Refusal(404, f"there is no upload {id} of this key, or it was given up; begin it anew")
        return found

    async def offset(self, begun: Begun) -> int:
        """How many of its bytes are here; one that is whole is delivered, if it was not yet."""
        if await run_in_threadpool(self.states.file, begun.file):
            return begun.size
        size = await run_in_threadpool(self.stored.size, begun.pieces)
        if size == begun.size:
            await self.finish(begun)
        return size

    async def finish(self, begun: Begun) -> None:
        """All of its bytes are here."""
        delivery = Delivery(
            begun.file, begun.batch, begun.key, begun.name, begun.size, begun.pieces, now_ms()
        )
        accepted = await run_in_threadpool(self.stored.accept, delivery)
        await run_in_threadpool(self.states.received, accepted)


async def _digest(chunks: AsyncIterable[bytes], most: int) -> tuple[str, int]:
    digest, size = xxhash.xxh3_128(), 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise Refusal(413, f"more than {most:,} bytes")
        digest.update(chunk)
    return digest.hexdigest(), size


def _same(former: str, digest: str) -> None:
    if former != digest:
        raise Refusal(422, "this Idempotency-Key was used for other content; take a new key for a new file")
