"""Resumable uploads: tus 1.0.0 (https://tus.io/protocols/resumable-upload), creation and termination.

Where an upload stands is the sum of its pieces in the store, so that any replica goes on with it, and a kill
costs at most the piece that was being written.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from services.ingest.upload.answers import Authorization, responses
from services.ingest.upload.bodies import Body, chunks_of
from services.ingest.upload.gate import Gate
from services.ingest.upload.keys import Key
from services.ingest.upload.receive import Receiver, Sent
from services.ingest.upload.refusal import Refusal
from services.ingest.upload.stored import Begun, now_ms
from services.runtime import Keeper

VERSION = "1.0.0"
_MEDIA_TYPE = "application/offset+octet-stream"
_EXTENSIONS = "creation,creation-with-upload,termination"
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Resumable = Annotated[str | None, Header(alias="Tus-Resumable")]


def routes(receiver: Receiver, gate: Gate, keeper: Keeper) -> APIRouter:
    """The paths below /tus."""
    router = APIRouter(prefix="/tus", tags=["resumable uploads"])
    most = receiver.config.max_file_bytes

    @router.options("", status_code=204, response_class=Response)
    async def options() -> Response:
        """What of tus is spoken here."""
        told = {"Tus-Version": VERSION, "Tus-Extension": _EXTENSIONS, "Tus-Max-Size": str(most)}
        return Response(status_code=204, headers=_headers(**told))

    @router.post("", status_code=201, responses=responses(400, 404, 409, 412, 413, 422, 429))
    async def create(
        request: Request,
        *,
        authorization: Authorization = None,
        tus_resumable: Resumable = None,
        upload_length: Annotated[str | None, Header()] = None,
        upload_metadata: Annotated[str, Header(description="filename and batch, in base64")] = "",
        content_type: Annotated[str, Header()] = "",
    ) -> Response:
        """Begin an upload; Location says where it goes on."""
        key = gate.key(authorization)
        _version(tus_resumable)
        size = _length(upload_length, most)
        told = _metadata(upload_metadata)
        batch = await receiver.batch(key, told.get("batch"), "")
        await run_in_threadpool(gate.admit, key, size)
        begun = await receiver.begin(Sent(key, told.get("filename") or "upload", batch), size)
        await run_in_threadpool(receiver.states.open_batch, batch, key.name, now_ms())
        offset = 0
        if content_type == _MEDIA_TYPE:
            offset = await _append(request, receiver, begun, 0)
        headers = _headers(
            Location=f"/tus/{begun.id}", **{"Upload-Offset": str(offset), "Upload-Batch": batch}
        )
        return Response(status_code=201, headers=headers)

    @router.head("/{id}", responses=responses(404, 409, 412, 413, 415, 422), response_class=Response)
    async def head(id: Id, authorization: Authorization = None, tus_resumable: Resumable = None) -> Response:
        """How far it has come."""
        _version(tus_resumable)
        begun = await receiver.begun(gate.key(authorization), id)
        offset = await receiver.offset(begun)
        told = {"Upload-Offset": str(offset), "Upload-Length": str(begun.size), "Cache-Control": "no-store"}
        return Response(status_code=200, headers=_headers(**told, **{"Upload-Batch": begun.batch}))

    @router.patch(
        "/{id}", status_code=204, responses=responses(404, 409, 412, 413, 415, 422), response_class=Response
    )
    async def patch(
        id: Id,
        request: Request,
        *,
        authorization: Authorization = None,
        tus_resumable: Resumable = None,
        upload_offset: Annotated[str, Header()] = "",
        content_type: Annotated[str, Header()] = "",
    ) -> Response:
        """More of it, from where it stands. The last byte makes it a file of its batch."""
        key = gate.key(authorization)
        _version(tus_resumable)
        if content_type != _MEDIA_TYPE:
            raise Refusal(415, f"send bytes as {_MEDIA_TYPE}")
        begun = await receiver.begun(key, id)
        offset = await receiver.offset(begun)
        if upload_offset != str(offset):
            raise Refusal(
                409, f"it stands at {offset}, not at {upload_offset[:30] or 'nothing'}: go on there"
            )
        if offset < begun.size:
            before, offset = offset, await _append(request, receiver, begun, offset)
            keeper.count("upload_bytes", number=offset - before)
            keeper.count("upload_requests", "accepted")
        return Response(status_code=204, headers=_headers(**{"Upload-Offset": str(offset)}))

    @router.delete(
        "/{id}", status_code=204, responses=responses(404, 409, 412, 413, 415, 422), response_class=Response
    )
    async def delete(
        id: Id, authorization: Authorization = None, tus_resumable: Resumable = None
    ) -> Response:
        """Give it up. What is whole stays."""
        key = gate.key(authorization)
        _version(tus_resumable)
        begun = await receiver.begun(key, id)
        if await receiver.offset(begun) == begun.size:
            raise Refusal(409, "it is whole, and goes into the river")
        await run_in_threadpool(receiver.stored.forget, begun)
        await run_in_threadpool(gate.refund, Key(begun.key), begun.size)
        return Response(status_code=204, headers=_headers())

    return router


async def _append(request: Request, receiver: Receiver, begun: Begun, offset: int) -> int:
    body = Body(receiver.stored, begun.pieces, receiver.config.piece_bytes, offset)
    await body.take(chunks_of(request), begun.size)
    if body.size == begun.size:
        await receiver.finish(begun)
    return body.size


def _headers(**more: str) -> dict[str, str]:
    return {"Tus-Resumable": VERSION, **more}


def _version(said: str | None) -> None:
    if said != VERSION:
        raise Refusal(412, f"this is tus {VERSION}: send `Tus-Resumable: {VERSION}`")


def _length(said: str | None, most: int) -> int:
    if said is None or not (said.isascii() and said.isdigit()) or int(said[:20]) < 1:
        raise Refusal(
            400, "say the size in bytes, 1 at least, as `Upload-Length: N`; it is not deferred here"
        )
    if int(said[:20]) > most:
        raise Refusal(413, f"{said[:20]} bytes are more than {most:,}; split the file")
    return int(said)


def _metadata(said: str) -> dict[str, str]:
    """Names, and values in base64. Raises Refusal: 400."""
    found = {}
    for pair in filter(None, said.split(",")):
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise Refusal(400, f"Upload-Metadata: {name[:50]!r} is no UTF-8 in base64") from error
    return found
