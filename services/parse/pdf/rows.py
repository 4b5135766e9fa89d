"""Rows: what stands on one base belongs together, from left to right; raised figures are marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from services.parse.pdf.line import HAN, Line, holds_right_to_left, reads_right_to_left

_SAME_ROW = 0.45  # of the larger font's height
_SPACE = 0.15
_HAN_SPACE = 0.5
_CELL_GAP = 0.8
_OTHER_GAP = 0.35  # where something else was drawn between them
_RAISED = 0.15  # of the larger font's height, as far as its base lies above
_RAISED_GAP = 0.9
_LOWERED = 0.08  # as far as its base lies below, as is the next
_LOWERED_GAP = 0.15
_SMALL = 0.87  # of the height of what it is raised from
_FIGURES = re.compile(r"[+\-−–]?[\w+\-−–]{1,12}(?:,\w{1,3}){0,8}[.,;:!?)\]]*")
_NOTE = re.compile(r"\d{1,3}")  # stands behind signs, too; letters do not
_SIGNS = frozenset('.,;:!?)]”’"')
_INDEX = re.compile(r"\d{1,3}")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|o|a)\b", re.IGNORECASE)
_WIDE = re.compile(f"[{HAN}]")
_FIRST_WIDE = HAN[0]
_LEFT, _RIGHT, _BASE = (attrgetter(name) for name in ("left", "right", "base"))


class Row(NamedTuple):
    """Cells that stand on one base, as they are read: more than one where there are wide gaps.

    base, height: of the largest, in points.
    """

    cells: tuple[Line, ...]
    base: float
    height: float


def rows(lines: Sequence[Line]) -> list[Row]:
    """Rows of a region from top to bottom."""
    may_be_backwards = holds_right_to_left(lines)
    backwards = may_be_backwards and reads_right_to_left(lines)
    return [
        Row(
            (lead,) if len(group) == 1 else tuple(_cells(group, backwards, may_be_backwards)),
            lead.base,
            lead.height,
        )
        for group, lead in _groups(lines)
    ]


def _groups(lines: Sequence[Line]) -> Iterator[tuple[list[Line], Line]]:
    """Lines by their bases, and the largest of each group; small ones go to the row that they touch
    (exponents, indices).
    """
    group: list[Line] = []
    lead, most = lines[0], -1.0
    for line in sorted(lines, key=_BASE, reverse=True):
        down = lead.base - line.base
        weight = line.height * (line.right - line.left)
        if group and not (down < _SAME_ROW * lead.height or down < _SAME_ROW * line.height):
            yield group, lead
            group, most = [], -1.0
        if not group or weight > most:
            lead, most = line, weight
        group.append(line)
    yield group, lead


def _cells(group: list[Line], backwards: bool, may_be_backwards: bool) -> Iterator[Line]:
    """backwards: the page is read so, and with it what has no letters; may_be_backwards: some of it is."""
    if may_be_backwards and (
        not backwards or any(map(str.isalpha, chain.from_iterable(line.text for line in group)))
    ):
        backwards = reads_right_to_left(group)
    group.sort(key=_RIGHT if backwards else _LEFT, reverse=backwards)
    last, right = group[0], group[0].right
    cell = [last]
    for line in group[1:]:
        gap = last.left - line.right if backwards else line.left - right
        size = line.height if line.height > last.height else last.height
        near = gap < _OTHER_GAP * size or (gap < _CELL_GAP * size and _is_drawn_next(line, last))
        if near or _is_raised(line, last):
            cell.append(line)
            right = line.right if line.right > right else right
        else:
            yield joined(cell)
            cell, right = [line], line.right
        last = line
    yield joined(cell)


def _is_drawn_next(line: Line, last: Line) -> bool:
    """Whether nothing was drawn between them; what was recognised has no such order."""
    return line.at - last.at <= last.text.count(" ") + 1


def mirrored(row: Row) -> Row:
    """The row of a page that is read from right to left, as on one that is read from left to right."""
    cells = [cell._replace(left=-cell.right, right=-cell.left) for cell in row.cells]
    return row._replace(cells=tuple(cells))


def joined(parts: Sequence[Line]) -> Line:
    """Lines of one row, from left to right, as one."""
    if len(parts) == 1:
        return parts[0]
    last = lead = whole = parts[0]  # whole: the last that is not lowered
    text, left, right, _, height, at = last
    most = height * (right - left)
    for part in parts[1:]:
        lowered = part.height < last.height and _is_lowered(part, last)
        text += f"<sub>{part.text}</sub>" if lowered else _between(last, part, whole) + part.text
        whole = whole if lowered else part
        left = part.left if part.left < left else left
        right = part.right if part.right > right else right
        at = part.at if part.at < at else at
        weight = part.height * (part.right - part.left)
        if weight > most:
            lead, most = part, weight
        last = part
    return Line(text, left, right, lead.base, lead.height, at)


def _between(a: Line, b: Line, whole: Line) -> str:
    """What stands between two parts of a row. whole: a, or what it is an index of."""
    gap = b.left - a.right if b.left > a.left else a.left - b.right
    height = a.height if a.height > b.height else b.height
    if b.height < whole.height and _is_raised(b, whole):
        return "^"
    if b.text[0] >= _FIRST_WIDE and _WIDE.match(b.text) and _WIDE.match(a.text[-1]):
        return " " if gap >= _HAN_SPACE * height else ""
    return " " if gap >= _SPACE * height else ""


def _is_lowered(small: Line, from_: Line) -> bool:
    """A figure under the base of the letter before it: H<sub>2</sub>O, as HTML's."""
    return (
        small.height < _SMALL * from_.height
        and from_.base - small.base > _LOWERED * from_.height
        and (from_.text[-1].isalpha() or from_.text[-1] in ")]")
        and abs(small.left - from_.right) < _LOWERED_GAP * from_.height
        and bool(_INDEX.fullmatch(small.text))
    )


def _is_raised(small: Line, from_: Line) -> bool:
    """A figure or sign in small above the base of the word or number before it: 10^6, not 21st."""
    return (
        small.height < _SMALL * from_.height
        and small.base - from_.base > _RAISED * from_.height
        and (from_.text[-1].isalnum() or _is_note(small.text, from_.text))
        and -_CELL_GAP * from_.height < small.left - from_.right < _RAISED_GAP * from_.height
        and bool(_FIGURES.fullmatch(small.text))
        and not (from_.text[-1].isdigit() and _ORDINAL.match(small.text))
    )


def _is_note(small: str, before: str) -> bool:
    """The number of a note after a sentence, or a power of what is in brackets."""
    return before[-1] in _SIGNS and _NOTE.fullmatch(small) is not None
