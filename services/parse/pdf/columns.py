"""Reading order: columns one after the other, however the page draws them.

A gutter is where a page is left white from top to bottom but for lines that run across it (titles,
headings, pictures' captions). Those cut the page into bands; of each band the left side is read first, then
the right, and each side is cut further in the same way. What looks like two columns but is a table, a form
or a list stays together, to be read row by row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from services.parse.pdf.line import HAN, Line, reads_right_to_left

_BIN = 2.0  # points
_MAX_DEPTH = 8
_MIN_LINES = 3  # on each side of a gutter
_ACROSS_COST = 0.25  # a gutter with a line across it is worth so many lines less
_PROSE_FILL = 0.55  # columns of prose fill their width; those of tables do not
_PROSE_LENGTH = 20  # characters (half as many wide ones) of lines in which half of the text stands
_OVERHANG = 0.1  # of a region's width: what reaches over a gutter by less belongs to its side
_WIDE = re.compile(f"[{HAN}\uac00-\ud7af]")


def in_order(lines: Sequence[Line], depth: int = 0) -> list[list[Line]]:
    """Regions of a page in reading order; in each, what stands side by side belongs to one row."""
    gutter = _gutter(lines) if depth < _MAX_DEPTH else None
    if gutter is None:
        return [list(lines)] if lines else []
    parts: list[tuple[Line, ...] | list[Line]] = []  # tuples are columns, lists what stands between them
    longest = 0
    for band, across in _bands(lines, gutter):
        left = [line for line in band if line.left + line.right <= 2 * gutter]
        right = [line for line in band if line.left + line.right > 2 * gutter]
        if not across and _are_columns(band, left, right):
            parts += map(tuple, (right, left) if reads_right_to_left(band) else (left, right))
            longest = max(longest, min(len(left), len(right)))
        elif parts and isinstance(parts[-1], list):
            parts[-1] += band
        else:
            parts.append(list(band))
    if longest < _MIN_LINES:  # single lines with a wide gap
        return [list(lines)]
    return [region for part in parts for region in in_order(part, depth + 1)]


def _gutter(lines: Sequence[Line]) -> float | None:
    """The middle of the best gutter; None where there is none with _MIN_LINES on both sides."""
    if len(lines) < 2 * _MIN_LINES:
        return None
    lefts = np.array([line.left for line in lines])
    rights = np.array([line.right for line in lines])
    if np.sort(rights)[_MIN_LINES - 1] >= np.sort(lefts)[-_MIN_LINES]:
        return None
    origin = lefts.min()
    size = int((rights.max() - origin) / _BIN) + 2
    if size >= 10_000:
        return None
    begun = np.cumsum(np.bincount(((lefts - origin) / _BIN).astype(int), minlength=size))  # where a bin ends
    ended = np.cumsum(np.bincount(((rights - origin) / _BIN).astype(int) + 1, minlength=size))  # or begins
    fewer = np.minimum(ended, len(lines) - begun)
    worth = np.where(fewer >= _MIN_LINES, fewer - _ACROSS_COST * (begun - ended), 0.0)
    found = int(worth.argmax())
    if worth[found] <= 0:
        return None
    others = np.flatnonzero(worth[found:] != worth[found])
    run = int(others[0]) if len(others) else size - found
    return float(origin + (found + run / 2) * _BIN)


def _bands(lines: Sequence[Line], gutter: float) -> list[tuple[list[Line], bool]]:
    """Lines from top to bottom in bands: (lines, whether they run across the gutter)."""
    across = [line for line in lines if line.left < gutter < line.right]
    if across:
        width = max(line.right for line in lines) - min(line.left for line in lines)
        slack = _OVERHANG * width
        across = [line for line in across if min(gutter - line.left, line.right - gutter) > slack]
    if not across:
        return [(list(lines), False)]
    rows = np.sort([line.base for line in across])
    bases = np.array([line.base for line in lines])
    slack = 0.3 * np.array([line.height for line in lines])
    is_across = np.searchsorted(rows, bases - slack) < np.searchsorted(rows, bases + slack)
    down = np.argsort(-bases, kind="stable")
    changes = np.flatnonzero(np.diff(is_across[down])) + 1
    return [
        ([lines[index] for index in np.sort(band).tolist()], bool(is_across[band[0]]))
        for band in np.split(down, changes)
    ]


def _are_columns(band: Sequence[Line], left: Sequence[Line], right: Sequence[Line]) -> bool:
    """Whether two sides are read one after the other: both are prose, or are drawn so."""
    if not (left and right):
        return False
    if _is_prose(left) and _is_prose(right):
        return True
    if min(len(left), len(right)) < _MIN_LINES:
        return False
    on_left = set(map(id, left))
    turns = sum((id(a) in on_left) != (id(b) in on_left) for a, b in pairwise(band))
    return turns <= max(1, len(band) // 12) and not _is_tabular(left, right)


def _is_prose(side: Sequence[Line]) -> bool:
    return _usual_length(side) >= _PROSE_LENGTH and _fill(side) >= _PROSE_FILL


def _fill(side: Sequence[Line]) -> float:
    """Share of a side's width that is written on, over the heights where something is."""
    width = max(line.right for line in side) - min(line.left for line in side)
    written = sum((line.right - line.left) * line.height for line in side)
    covered, top = 0.0, float("inf")
    for line in sorted(side, key=lambda line: -line.base):
        covered += max(0.0, min(top, line.base + line.height) - line.base)
        top = min(top, line.base)
    return written / (width * covered) if width > 0 and covered > 0 else 0.0


def _usual_length(side: Sequence[Line]) -> int:
    """Half of the text stands in lines of so many characters or more."""
    lengths = sorted(map(_length, side), reverse=True)
    half, seen = sum(lengths) / 2, 0
    for length in lengths:
        seen += length
        if seen >= half:
            return length
    return 0


def _length(line: Line) -> int:
    """Characters, wide ones twice."""
    return len(line.text) + (0 if line.text.isascii() else len(_WIDE.findall(line.text)))


def _is_tabular(left: Sequence[Line], right: Sequence[Line]) -> bool:
    """Most lines of the shorter side stand level with one of the other, and are short."""
    bases = {round(line.base) for line in max(left, right, key=len)}
    short = min(left, right, key=len)
    level = sum(round(line.base) in bases for line in short)
    return level >= 0.8 * len(short) and min(_usual_length(left), _usual_length(right)) < _PROSE_LENGTH
