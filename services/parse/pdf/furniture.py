"""Running heads, running feet and page numbers: what repeats at the same place of several pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from services.parse.pdf.line import Line

_MARGIN_ROWS = 3  # they are among so many outermost rows of a page, or a third of them
_SAME_ROW = 3.0  # points
_SAME_PLACE = 4.0  # points
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.|第)?[-–—·.|\s]*(?:\d{1,4}|[ivxlc]{1,7})[-–—·.|\s]*(?:(?:/|of|共)\s*\d{1,4})?\s*页?",
    re.IGNORECASE,
)

_Key = tuple[str, int]


def without_furniture(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without the rows that stand at the same height of several pages with the same words."""
    margins = [_margins(page) for page in pages]
    seen = Counter(key for page in margins for key in {_key(row) for row in page})
    needed = 3 if len(pages) > 4 else 2
    gone = {id(line) for page in margins for row in page if _times(seen, _key(row)) >= needed for line in row}
    return [[line for line in page if id(line) not in gone] for page in pages]


def _margins(page: Sequence[Line]) -> list[list[Line]]:
    """The outermost rows."""
    if not page:
        return []
    bases = np.array([line.base for line in page])
    up = np.argsort(bases, kind="stable")
    edges = [0, *(np.flatnonzero(np.diff(bases[up]) > _SAME_ROW) + 1).tolist(), len(page)]
    rows = list(pairwise(edges))
    depth = min(_MARGIN_ROWS, len(rows) // 3)
    outer = rows[:depth] + rows[len(rows) - depth :]
    return [[page[index] for index in up[start:end].tolist()] for start, end in outer]


def _key(row: Sequence[Line]) -> _Key:
    text = " ".join(line.text for line in sorted(row, key=lambda line: line.left))
    words = "#" if _PAGE_NUMBER.fullmatch(text) else _DIGITS.sub("#", text)
    return words, round(row[0].base / _SAME_PLACE)


def _times(seen: Counter[_Key], key: _Key) -> int:
    """Pages on which it was seen there, or next to it where a rounding parts the same place."""
    words, place = key
    return seen[key] + max(seen[words, place - 1], seen[words, place + 1])
