"""What the API's routes have in common: who asks, and how errors look in the OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel

Authorization = Annotated[str | None, Header(description="Bearer KEY")]


class Problem(BaseModel):
    """What was wrong, and what to do."""

    error: str


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """With 401 and 503, which each may give."""
    return {status: {"model": Problem} for status in (401, *statuses, 503)}
