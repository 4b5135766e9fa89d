"""Routes that say what became of files: each key sees its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from services.ingest.upload.answers import Authorization, responses
from services.ingest.upload.gate import Gate
from services.ingest.upload.refusal import Refusal
from services.ingest.upload.states import STATES, UNDER_WAY, States

_PAGE = 1000
BatchId = Annotated[str, Path(pattern="^[0-9a-f]{24}$")]


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

    documents: those registered so far, with the pieces that became none: the sum of `states`. problems: by
    file, why it could not be read to its end.
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
    """Documents of one state, in the order in which they came. next: `after` of the next page, if any."""

    documents: list[DocumentState]
    next: int | None


def routes(gate: Gate, states: States) -> APIRouter:
    """GET of batches and documents."""
    router = APIRouter(tags=["states"])

    async def own(authorization: str | None, batch: str) -> None:
        key = gate.key(authorization)
        if await run_in_threadpool(states.owner, batch) != key.name:
            raise Refusal(404, f"there is no batch {batch} of this key, or it is forgotten by now")

    @router.get("/batches/{batch}", responses=responses(404, 422))
    async def get_batch(batch: BatchId, authorization: Authorization = None) -> Batch:
        """Where the documents of a batch are, and why."""
        await own(authorization, batch)
        found = await run_in_threadpool(states.batch, batch)
        created = datetime.fromtimestamp(found.pop("created_ms") / 1000, UTC)
        complete = found["files"] == found["files_read"] and not found["states"][UNDER_WAY]
        return Batch(batch=batch, created=created, complete=complete, **found)

    @router.get("/batches/{batch}/documents", responses=responses(404, 422))
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

    @router.get("/documents/{uid}", responses=responses(404, 422))
    async def get_document(
        uid: Annotated[str, Path(pattern="^[0-9a-f]{16}$")], authorization: Authorization = None
    ) -> DocumentState:
        """Where one document is. `corpusworks trace UID` tells more."""
        key = gate.key(authorization)
        found = await run_in_threadpool(states.document, uid)
        if found is None or await run_in_threadpool(states.owner, found["batch"]) != key.name:
            raise Refusal(404, f"there is no document {uid} of this key, or it is forgotten by now")
        return DocumentState(**found)

    return router
