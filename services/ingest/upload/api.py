"""The HTTP API: files in, and the answer to what became of them. /docs shows it, /openapi.json describes it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from services.ingest.upload import tus
from services.ingest.upload.bodies import ClientDisconnect, chunks_of
from services.ingest.upload.gate import Gate
from services.ingest.upload.keys import Key
from services.ingest.upload.receive import Receiver, Sent, id_of
from services.ingest.upload.refusal import Refusal
from services.ingest.upload.states import STATES, UNDER_WAY
from services.ingest.upload.stored import Delivery, now_ms
from services.runtime import DependencyDown, Keeper

# What a body is called that has no name, by the type that it says it has.
_SUFFIXES = {
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/warc": ".warc",
    "application/vnd.apache.parquet": ".parquet",
    "application/zip": ".zip",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
}
_MOST_FILES = 1000  # of a form
_PAGE = 1000
BatchId = Annotated[str, Path(pattern="^[0-9a-f]{24}$")]
Authorization = Annotated[str | None, Header(description="Bearer KEY")]
RepeatKey = Annotated[
    str, Header(alias="Idempotency-Key", max_length=255, description="The same for each try of one request")
]


class Problem(BaseModel):
    """What was wrong, and what to do."""

    error: str


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


class Reason(BaseModel):
    """So many documents are in this state for this reason of this unit."""

    state: str
    unit: str
    reason: str
    documents: int


class DocumentState(BaseModel):
    """Where a document is. detail: for a person; unit and reason: who dropped it, and why."""

    uid: str
    batch: str
    state: str
    source: str
    unit: str | None = None
    reason: str | None = None
    detail: str | None = None


class Batch(BaseModel):
    """files: taken; files_read: read to their end. complete: all is read, and no document is under way.

    documents: those registered so far, pieces that are none included: the sum of `states`. problems: by file, why it
    could not be read to its end.
    """

    batch: str
    created: datetime
    complete: bool
    files: int
    files_read: int
    documents: int
    states: dict[str, int]
    reasons: list[Reason]
    problems: dict[str, str]


class Page(BaseModel):
    """Documents of one state, in the order in which they came. next: `after` of the next page; null: the last."""

    documents: list[DocumentState]
    next: int | None


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in (401, *statuses, 503)}


def make(receiver: Receiver, gate: Gate, keeper: Keeper, well: Callable[[], str]) -> FastAPI:
    """The application. well: what does not answer now, or nothing."""
    app = FastAPI(
        title="Corpusworks upload",
        version="1",
        description="Documents for a corpus. Every request carries `Authorization: Bearer KEY`.",
    )
    _handle_errors(app, keeper)
    app.include_router(tus.routes(receiver, gate))
    states, config = receiver.states, receiver.config

    @app.post(
        "/files",
        status_code=202,
        responses=_responses(400, 404, 411, 413, 422, 429),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"file": {"type": "string", "format": "binary"}},
                        }
                    },
                },
            }
        },
    )
    async def files(
        request: Request,
        response: Response,
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
        declared = int(content_length) if content_length else None
        if declared is not None and declared > config.max_request_bytes:
            raise Refusal(
                413, f"{declared:,} bytes are more than {config.max_request_bytes:,}: send it by tus"
            )
        await run_in_threadpool(gate.admit, key, declared or 0)
        is_form = content_type.startswith("multipart/form-data")
        if is_form and declared is None:
            raise Refusal(411, "a form needs a Content-Length; send one file as the body itself else")
        bodies = _form(request) if is_form else _body(request, name or _named(content_type))
        try:
            taken = [done async for done in _take_all(bodies, key, into, repeat_key)]
            if not taken:
                raise Refusal(400, "the form holds no file: send it as a field with a filename")
        except BaseException:
            await run_in_threadpool(gate.refund, key, declared or 0)
            raise
        new = sum(delivery.size for delivery, repeated in taken if not repeated)
        await run_in_threadpool(gate.settle, key, declared or 0, new)
        keeper.count("upload_requests", "accepted" if new else "repeated")
        keeper.count("upload_bytes", number=new)
        into = taken[0][0].batch
        response.headers["Location"] = f"/batches/{into}"
        sent = [File(file=each.file, name=each.name, bytes=each.size) for each, _ in taken]
        return Accepted(batch=into, files=sent)

    async def _take_all(
        bodies: AsyncIterator[tuple[str, AsyncIterable[bytes]]], key: Key, into: str, repeat_key: str
    ) -> AsyncIterator[tuple[Delivery, bool]]:
        number = 0
        async for name, chunks in bodies:
            yield await receiver.take(Sent(key, name, into, repeat_key, number), chunks)
            number += 1

    @app.post("/batches", status_code=201, responses=_responses(422))
    async def open_batch(authorization: Authorization = None, repeat_key: RepeatKey = "") -> Opened:
        """Begin a batch, for files that are sent one by one or side by side."""
        key = gate.key(authorization)
        batch = id_of(key, repeat_key, "batch")
        await run_in_threadpool(states.open_batch, batch, key.name, now_ms())
        return Opened(batch=batch)

    async def own(authorization: str | None, batch: str) -> None:
        key = gate.key(authorization)
        if await run_in_threadpool(states.owner, batch) != key.name:
            raise Refusal(404, f"there is no batch {batch} of this key, or it is forgotten by now")

    @app.get("/batches/{batch}", responses=_responses(404, 422))
    async def get_batch(batch: BatchId, authorization: Authorization = None) -> Batch:
        """Where the documents of a batch are, and why."""
        await own(authorization, batch)
        found = await run_in_threadpool(states.batch, batch)
        created = datetime.fromtimestamp(found.pop("created_ms") / 1000, UTC)
        complete = found["files"] == found["files_read"] and not found["states"][UNDER_WAY]
        return Batch(batch=batch, created=created, complete=complete, **found)

    @app.get("/batches/{batch}/documents", responses=_responses(404, 422))
    async def get_documents(
        batch: BatchId,
        state: Annotated[Literal[STATES], Query()],  # type: ignore[valid-type]
        authorization: Authorization = None,
        after: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100,
    ) -> Page:
        """The documents of a batch that are in one state, a page at a time."""
        await own(authorization, batch)
        documents, following = await run_in_threadpool(states.page, batch, state, after, limit)
        return Page(documents=[DocumentState(**each) for each in documents], next=following)

    @app.get("/documents/{uid}", responses=_responses(404, 422))
    async def get_document(
        uid: Annotated[str, Path(pattern="^[0-9a-f]{16}$")], authorization: Authorization = None
    ) -> DocumentState:
        """Where one document is. `corpusworks trace UID` tells more."""
        key = gate.key(authorization)
        found = await run_in_threadpool(states.document, uid)
        if found is None or await run_in_threadpool(states.owner, found["batch"]) != key.name:
            raise Refusal(404, f"there is no document {uid} of this key, or it is forgotten by now")
        return DocumentState(**found)

    @app.get("/healthz", responses={503: {"model": Problem}})
    async def healthz() -> dict[str, str]:
        """Whether files would be taken now."""
        if why := well():
            raise Refusal(503, why, retry_after_s=config.retry_after_s, outcome="failed")
        return {"status": "ok"}

    return app


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


def _handle_errors(app: FastAPI, keeper: Keeper) -> None:
    """Every error as {"error": …}, counted by its outcome where something was sent."""

    def answer(request: Request, refusal: Refusal) -> Response:
        if request.method in ("POST", "PATCH"):
            keeper.count("upload_requests", refusal.outcome)
        headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
        if refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        if request.url.path.startswith("/tus"):
            headers |= {"Tus-Resumable": tus.VERSION, "Tus-Version": tus.VERSION}
        return JSONResponse({"error": refusal.error}, refusal.status, headers)

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return answer(request, error)

    @app.exception_handler(DependencyDown)
    async def down(request: Request, error: DependencyDown) -> Response:
        keeper.unwell(error.dependency, error)
        said = "a server behind this one does not answer; nothing was taken that was not acknowledged"
        return answer(request, Refusal(503, said, retry_after_s=5, outcome="failed"))

    @app.exception_handler(ClientDisconnect)
    async def cut(request: Request, error: ClientDisconnect) -> Response:
        return answer(request, Refusal(400, "the request was cut off", outcome="cut"))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return answer(request, Refusal(422, said[:1000]))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        refusal = Refusal(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
        response = answer(request, refusal)
        response.headers.update(error.headers or {})
        return response
