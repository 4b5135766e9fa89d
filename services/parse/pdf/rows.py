"""Rows: what stands on one base belongs together, from left to right; raised figures are marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.parse.pdf.line import HAN, Line, reads_right_to_left

_SAME_ROW = 0.45  # of the larger font's height
_SPACE = 0.15
_HAN_SPACE = 0.5
_CELL_GAP = 0.8
_RAISED = 0.15  # of the larger font's height, as far as its base lies above
_RAISED_GAP = 0.9
_SMALL = 0.87  # of the height of what it is raised from
_FIGURES = re.compile(r"[+\-−–]?[\w+\-−–]{1,12}[.,;:!?)\]]*")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|o|a)\b", re.IGNORECASE)
_WIDE = re.compile(f"[{HAN}]")


class Row(NamedTuple):
    """Cells, from left to right, that stand on one base: more than one where there are wide gaps.

    base, height: of the largest, in points.
    """

    cells: tuple[Line, ...]
    base: float
    height: float


def rows(lines: Sequence[Line]) -> list[Row]:
    """Rows of a region from top to bottom."""
    return [_row(group) for group in _groups(lines)]


def _row(group: list[Line]) -> Row:
    if len(group) == 1:
        return Row((group[0],), group[0].base, group[0].height)
    lead = max(group, key=_weight)
    return Row(tuple(_cells(group)), lead.base, lead.height)


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines by their bases; small ones go to the row that they touch (exponents, indices)."""
    group: list[Line] = []
    lead: Line | None = None
    for line in sorted(lines, key=lambda line: -line.base):
        if lead is not None and lead.base - line.base < _SAME_ROW * max(lead.height, line.height):
            group.append(line)
            if _weight(line) > _weight(lead):
                lead = line
            continue
        if group:
            yield group
        group, lead = [line], line
    if group:
        yield group


def _weight(line: Line) -> float:
    return line.height * (line.right - line.left)


def _cells(group: list[Line]) -> Iterator[Line]:
    backwards = reads_right_to_left(group)
    group.sort(key=lambda line: -line.right if backwards else line.left)
    cell, right = [group[0]], group[0].right
    for line in group[1:]:
        gap = cell[-1].left - line.right if backwards else line.left - right
        if gap < _CELL_GAP * max(cell[-1].height, line.height) or _is_raised(line, cell[-1]):
            cell.append(line)
            right = max(right, line.right)
        else:
            yield joined(cell)
            cell, right = [line], line.right
    yield joined(cell)


def joined(parts: Sequence[Line]) -> Line:
    """Lines of one row, from left to right, as one."""
    if len(parts) == 1:
        return parts[0]
    last = lead = parts[0]
    text, left, right, _, _, at = last
    for part in parts[1:]:
        text += _between(last, part) + part.text
        left, right, at = min(left, part.left), max(right, part.right), min(at, part.at)
        lead = part if _weight(part) > _weight(lead) else lead
        last = part
    return Line(text, left, right, lead.base, lead.height, at)


def _between(a: Line, b: Line) -> str:
    gap = max(b.left - a.right, a.left - b.right)
    height = max(a.height, b.height)
    if _is_raised(b, a):
        return "^"
    if _WIDE.match(b.text) and _WIDE.match(a.text[-1]):
        return " " if gap >= _HAN_SPACE * height else ""
    return " " if gap >= _SPACE * height else ""


def _is_raised(small: Line, from_: Line) -> bool:
    """A figure or sign in small above the base of the word or number before it: 10^6, not 21st."""
    return (
        small.height < _SMALL * from_.height
        and small.base - from_.base > _RAISED * from_.height
        and from_.text[-1].isalnum()
        and -_CELL_GAP * from_.height < small.left - from_.right < _RAISED_GAP * from_.height
        and bool(_FIGURES.fullmatch(small.text))
        and not (from_.text[-1].isdigit() and _ORDINAL.match(small.text))
    )
