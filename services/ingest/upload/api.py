"""The HTTP API: files in, and what became of them out. /docs shows it, /openapi.json describes it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from services.ingest.upload import asking, sending, tus
from services.ingest.upload.answers import Problem
from services.ingest.upload.gate import Gate
from services.ingest.upload.receive import Receiver
from services.ingest.upload.refusal import Refusal
from services.runtime import DependencyDown, Keeper


def make(receiver: Receiver, gate: Gate, keeper: Keeper, well: Callable[[], str]) -> FastAPI:
    """The application. well: what does not answer now, or nothing."""
    app = FastAPI(
        title="Corpusworks upload",
        version="1",
        description="Documents for a corpus. Every request carries `Authorization: Bearer KEY`.",
    )
    _handle_errors(app, keeper)
    app.include_router(sending.routes(receiver, gate, keeper))
    app.include_router(tus.routes(receiver, gate, keeper))
    app.include_router(asking.routes(gate, receiver.states))

    @app.get("/healthz", responses={503: {"model": Problem}})
    async def healthz() -> dict[str, str]:
        """Whether files would be taken now."""
        if why := well():
            raise Refusal(503, why, retry_after_s=receiver.config.retry_after_s, outcome="failed")
        return {"status": "ok"}

    return app


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
