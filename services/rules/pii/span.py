"""Where personal data stands in a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """text[start:end] is of this kind; value: the same however it is written."""

    start: int
    end: int
    kind: str
    value: str


def around(spans: Sequence[Span], size: int, near: int) -> list[tuple[int, int]]:
    """What of a text of this size is near the spans, which are in order: pieces that do not overlap."""
    pieces: list[tuple[int, int]] = []
    for span in spans:
        start, end = max(0, span.start - near), min(size, span.end + near)
        if pieces and start <= pieces[-1][1]:
            first, last = pieces.pop()
            start, end = first, max(end, last)
        pieces.append((start, end))
    return pieces
