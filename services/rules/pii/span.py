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
    first, last = 0, -1
    for start, end, _, _ in spans:
        if start - near > last:
            if last > 0:
                pieces.append((first, last))
            first = max(0, start - near)
        last = max(last, end + near)
    return [*pieces, (first, min(last, size))] if last > 0 else pieces
