"""Routes by which files come in: each is in the store when it is acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from contracts import media_types
from services.ingest.upload.answers import Authorization, responses
from services.ingest.upload.bodies import chunks_of
from services.ingest.upload.gate import Gate
from services.ingest.upload.receive import Receiver, Sent, id_of
from services.ingest.upload.refusal import Refusal
from services.ingest.upload.stored import Delivery, now_ms
from services.runtime import Keeper

# What a body is called that has no name, by the type that it says it has.
_SUFFIXES = {
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/json": ".json",
    media_types.PDF: ".pdf",
    "application/warc": ".warc",
    "application/vnd.apache.parquet": ".parquet",
    "application/zip": ".zip",
    media_types.DOCX: ".docx",
    media_types.PPTX: ".pptx",
    media_types.XLSX: ".xlsx",
    media_types.EPUB: ".epub",
    media_types.NOTEBOOK: ".ipynb",
    media_types.RTF: ".rtf",
    "text/rtf": ".rtf",
    media_types.HTML: ".html",
    "text/markdown": ".md",
    media_types.TEXT: ".txt",
}
_MOST_FILES = 1000  # of a form
_CONTENT = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    "application/x-ndjson": {"schema": {"type": "string"}},
    "multipart/form-data": {
        "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    },
}
RepeatKey = Annotated[
    str, Header(alias="Idempotency-Key", max_length=255, description="The same for each try of one request")
]


class File(BaseModel):
    """A file that was taken. bytes: its size."""

    file: str
    name: str
    bytes: int


class Accepted(BaseModel):
    """Taken: it is in the store, and will be in the river."""

    batch: str
    files: list[File]


class Opened(BaseModel):
    """A batch without files yet."""

    batch: str


def routes(receiver: Receiver, gate: Gate, keeper: Keeper) -> APIRouter:
    """POST /files and /batches."""
    router = APIRouter(tags=["files"])
    most = receiver.config.max_request_bytes

    @router.post(
        "/files",
        status_code=202,
        responses=responses(400, 404, 411, 413, 422, 429),
        openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
    )
    async def files(
        request: Request,
        response: Response,
        *,
        authorization: Authorization = None,
        name: Annotated[str, Query(max_length=1024, description="What the file is called")] = "",
        batch: Annotated[str | None, Query(description="Into this batch; else a new one")] = None,
        repeat_key: RepeatKey = "",
        content_type: Annotated[str, Header()] = "",
        content_length: Annotated[str | None, Header()] = None,
    ) -> Accepted:
        """A file, an archive (zip, tar, tar.gz, tar.zst), JSON lines; or several files of a form."""
        key = gate.key(authorization)
        into = await receiver.batch(key, batch, repeat_key)
        is_form = content_type.startswith("multipart/form-data")
        said = _said(content_length, most, is_form=is_form)
        await run_in_threadpool(gate.admit, key, said)
        bodies = _form(request) if is_form else _body(request, name or _named(content_type))
        try:
            taken = await _take(receiver, bodies, Sent(key, "", into, repeat_key))
        except BaseException:
            await run_in_threadpool(gate.settle, key, said, 0)
            raise
        new = sum(delivery.size for delivery, repeated in taken if not repeated)
        await run_in_threadpool(gate.settle, key, said, new)
        keeper.count("upload_requests", "accepted" if new else "repeated")
        keeper.count("upload_bytes", number=new)
        response.headers["Location"] = f"/batches/{taken[0][0].batch}"
        sent = [File(file=each.file, name=each.name, bytes=each.size) for each, _ in taken]
        return Accepted(batch=taken[0][0].batch, files=sent)

    @router.post("/batches", status_code=201, responses=responses(422))
    async def open_batch(authorization: Authorization = None, repeat_key: RepeatKey = "") -> Opened:
        """Begin a batch, for files that are sent one by one or side by side."""
        key = gate.key(authorization)
        batch = id_of(key, repeat_key, "batch")
        await run_in_threadpool(receiver.states.open_batch, batch, key.name, now_ms())
        return Opened(batch=batch)

    return router


def _said(content_length: str | None, most: int, *, is_form: bool) -> int:
    """Bytes that a body is said to have; 0: nothing is said."""
    if content_length is None:
        if is_form:
            raise Refusal(411, "a form needs a Content-Length; or send one file as the body itself")
        return 0
    if int(content_length) > most:
        raise Refusal(413, f"{int(content_length):,} bytes are more than {most:,}: send the file by tus")
    return int(content_length)


async def _take(
    receiver: Receiver, bodies: AsyncIterator[tuple[str, AsyncIterable[bytes]]], said: Sent
) -> list[tuple[Delivery, bool]]:
    taken: list[tuple[Delivery, bool]] = []
    async for name, chunks in bodies:
        sent = replace(said, name=name, number=len(taken))
        taken.append(await receiver.take(sent, chunks))
    if not taken:
        raise Refusal(400, "the form holds no file: send it as a field with a filename")
    return taken


async def _body(request: Request, name: str) -> AsyncIterator[tuple[str, AsyncIterable[bytes]]]:
    yield name, chunks_of(request)


async def _form(request: Request) -> AsyncIterator[tuple[str, AsyncIterable[bytes]]]:
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FILES) as form:
        for _, field in form.multi_items():
            if isinstance(field, UploadFile):
                yield field.filename or "upload", _chunks(field)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while data := await file.read(1 << 20):
        yield data


def _named(content_type: str) -> str:
    return "upload" + _SUFFIXES.get(content_type.partition(";")[0].strip().lower(), "")
