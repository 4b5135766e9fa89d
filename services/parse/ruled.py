"""Ruled tables of a picture: the straight lines around cells tell which lines of text belong together.

Only what stands straight is found, which is most of what was printed to a picture and little of what was
laid on a glass; the rest is read by its white strips as other tables are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf import Table, markdown

_DARK = 210  # of 255; rules may be grey
_ACROSS, _DOWN = 60, 24  # pixels, the least of a rule, where an inch has 170. What is drawn down ends at
# rules across, as strokes of letters and streaks of a scan do not.
_THICKEST = 10  # pixels; what is more is a filled area
_REACH = 4  # pixels by which rules end short of each other, and the edges of cells in one row differ
# Where rules part columns and no rows, two cells have as many lines, or one has nothing but numbers.
_SAME_LINES = 4
_NUMBER = re.compile(r"[-+−–(]?[$€£¥]? ?\d[\d.,: ]*[%)]?")
_MOST_LINES = 30  # of a cell; where there are more, rules part columns of a page
_MOST_RUNS, _MOST_RULES = 20_000, 1_000  # runs of pixels, and rules of them; what has more is a picture

_Ints = NDArray[np.int64]


class Rules(NamedTuple):
    """Straight lines in pixels from the upper left. across: [rule, (y, left, right)]; down: [rule, (x, top,
    bottom)].
    """

    across: _Ints
    down: _Ints


class _Cell(NamedTuple):
    """Its sides, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


class Ruled(NamedTuple):
    """A table, and which lines stand in its cells."""

    table: Table
    lines: list[int]


def rules_in(picture: Any) -> Rules:
    """Those of a picture [y, x, colour]. It takes a tenth of a second for a page."""
    dark = picture.min(-1) < _DARK
    across, down = _found(dark, _ACROSS), _found(np.ascontiguousarray(dark.T), _DOWN)
    ends = down[:, 1:, None]
    is_met = (np.abs(across[:, 0] - ends) <= _REACH) & (across[:, 1] - _REACH <= down[:, :1, None])
    is_met &= down[:, :1, None] <= across[:, 2] + _REACH
    return Rules(across, down[is_met.any(-1).all(-1)])


def ruled_tables(texts: Sequence[str], boxes: NDArray[np.float64], rules: Rules) -> list[Ruled]:
    """Tables of two rows and columns or more. boxes: of the texts, [text, (left, top, right, bottom)]."""
    if not len(rules.across) or not len(rules.down):
        return []
    inside: dict[_Cell, list[int]] = defaultdict(list)
    for index, box in enumerate(boxes):
        cell = _cell_around((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, rules)
        if cell is not None:
            inside[cell].append(index)
    found = (_table({cell: inside[cell] for cell in cells}, texts, boxes) for cells in _apart(inside))
    return [each for each in found if each is not None]


def _found(dark: NDArray[np.bool_], least: int) -> _Ints:
    """Rules [rule, (place, start, end)] along the second axis: runs of so many pixels, few rows thick."""
    if dark.shape[1] <= least:
        return np.empty((0, 3), np.int64)
    sums = np.cumsum(np.pad(dark, ((0, 0), (1, 0))), 1, dtype=np.int32)
    full = sums[:, least:] - sums[:, :-least] == least
    edges = np.diff(np.pad(full, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1] + least - 1
    if len(rows) > _MOST_RUNS:
        return np.empty((0, 3), np.int64)
    done: list[list[int]] = []  # place of the first row, start, end, place of the last
    growing: list[list[int]] = []
    for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        growing = [rule for rule in growing if row - rule[3] <= 1]
        near = (rule for rule in growing if max(abs(start - rule[1]), abs(end - rule[2])) <= _REACH)
        rule = next(near, None)
        if rule is None:
            rule = [row, start, end, row]
            growing.append(rule)
            done.append(rule)
        rule[3] = row
    rules = [
        [(first + last) // 2, start, end] for first, start, end, last in done if last - first < _THICKEST
    ]
    if len(rules) > _MOST_RULES:
        return np.empty((0, 3), np.int64)
    found = np.array(rules, np.int64).reshape(-1, 3)
    found[:, 0] = _level(found[:, 0])
    return found


def _level(places: _Ints) -> _Ints:
    """What nearly coincides at one place: pieces of a rule, edges of cells of a row."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    begins = np.diff(ordered, prepend=-_REACH - 1) > _REACH
    level = np.empty_like(places)
    level[order] = ordered[begins][np.cumsum(begins) - 1]
    return level


def _cell_around(x: float, y: float, rules: Rules) -> _Cell | None:
    """The cell in which a place is. Where a table is open to its left or right, its rows end it."""
    above, below = _around(rules.across, y, x)
    left, right = _around(rules.down, x, y)
    if above is None or below is None or (left is None and right is None):
        return None
    return _Cell(
        int(max(above[1], below[1]) if left is None else left[0]),
        int(above[0]),
        int(min(above[2], below[2]) if right is None else right[0]),
        int(below[0]),
    )


def _around(rules: _Ints, place: float, along: float) -> tuple[_Ints | None, _Ints | None]:
    """The nearest rules before and after a place that reach as far along."""
    reach = rules[(rules[:, 1] - _REACH <= along) & (along <= rules[:, 2] + _REACH)]
    before, after = reach[reach[:, 0] < place], reach[reach[:, 0] > place]
    return (
        before[before[:, 0].argmax()] if len(before) else None,
        after[after[:, 0].argmin()] if len(after) else None,
    )


def _apart(cells: Iterable[_Cell]) -> list[list[_Cell]]:
    """Cells by the tables that they make: those that touch are of one."""
    tables: list[list[_Cell]] = []
    for cell in cells:
        near = [table for table in tables if any(_touch(cell, other) for other in table)]
        tables = [table for table in tables if table not in near]
        tables.append([cell, *(each for table in near for each in table)])
    return tables


def _touch(a: _Cell, b: _Cell) -> bool:
    return (
        min(a.right, b.right) - max(a.left, b.left) >= -_REACH
        and min(a.bottom, b.bottom) - max(a.top, b.top) >= -_REACH
    )


def _lies_over(a: _Cell, b: _Cell) -> bool:
    return (
        min(a.right, b.right) - max(a.left, b.left) > _REACH
        and min(a.bottom, b.bottom) - max(a.top, b.top) > _REACH
    )


def _table(
    cells: Mapping[_Cell, list[int]], texts: Sequence[str], boxes: NDArray[np.float64]
) -> Ruled | None:
    """None for what is no table, or one whose rules were not all found, or do not part its rows."""
    rows, columns = _numbered(cell.top for cell in cells), _numbered(cell.left for cell in cells)
    num_rows, num_columns = max(rows.values()) + 1, max(columns.values()) + 1
    if num_rows < 2 or num_columns < 2 or max(map(len, cells.values())) > _MOST_LINES:
        return None
    if any(_lies_over(a, b) for a, b in combinations(cells, 2)):
        return None
    grid = [[""] * num_columns for _ in range(num_rows)]
    long: set[tuple[int, int]] = set()
    order: list[int] = []
    for cell in sorted(cells, key=lambda cell: (rows[cell.top], cell.left)):
        row, column = rows[cell.top], columns[cell.left]
        levels = _in_order(cells[cell], boxes)
        read = [" ".join(texts[line] for line in level) for level in levels]
        if (row, len(levels)) in long or (len(levels) > 1 and all(map(_NUMBER.fullmatch, read))):
            return None
        if len(levels) >= _SAME_LINES:
            long.add((row, len(levels)))
        grid[row][column] = " ".join([grid[row][column], *read]).strip()
        order += [line for level in levels for line in level]
    return Ruled(markdown(grid), order)


def _numbered(places: Iterable[int]) -> dict[int, int]:
    """Of each place its number from the first; those that nearly coincide have one."""
    ordered = np.unique(np.fromiter(places, np.int64))
    return dict(
        zip(ordered.tolist(), np.unique(_level(ordered), return_inverse=True)[1].tolist(), strict=True)
    )


def _in_order(lines: Sequence[int], boxes: NDArray[np.float64]) -> list[list[int]]:
    """Lines of a cell from top to bottom; those that stand level together, from left to right."""
    levels: list[list[int]] = []
    for line in sorted(lines, key=lambda line: boxes[line, 1] + boxes[line, 3]):
        middle = (boxes[line, 1] + boxes[line, 3]) / 2
        if levels and middle < boxes[levels[-1][0], 3]:
            levels[-1].append(line)
        else:
            levels.append([line])
    return [sorted(level, key=lambda line: boxes[line, 0]) for level in levels]
