"""Reading order: columns one after the other, however the page draws them.

A gutter is where a page is left white from top to bottom but for lines that run across it (titles,
headings, pictures' captions). Those cut the page into bands; of each band the left side is read first, then
the right, and each side is cut further in the same way. What looks like two columns but is a table, a form
or a list stays together, to be read row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf.line import HAN, Line, reads_right_to_left

_BIN = 2.0  # points
_MAX_DEPTH = 8
_MIN_LINES = 3  # on each side of a gutter
_MAX_COLUMNS = 4
_PIECE_GAP = 0.65  # of the font's height: what follows by less, as after a typewriter's space, is one line
_BOX_GAP = 0.25  # the same of lines that were recognised, each as a whole, and have no order as drawn
_PIECE_BASE = 0.6  # of the font's height: exponents and indices are no other line
_ACROSS_COST = 0.25  # a gutter with text across it is worth so much of its area less
_PROSE_FILL = 0.65  # of the width: lines of prose fill it; those of tables do not
_PROSE_LENGTH = 20  # characters (half as many wide ones) of lines in which half of the text stands
_BLOCK_LENGTH = 30  # the same where a few lines alone tell
_PROSE_SHARE = 0.2  # of a region's area: less may be lines with wide gaps at one place by chance
_ABREAST = 0.25  # of the lines
_NEAR, _APART = 1.5, 1.3  # of the font's height; of that distance
_WHITE_ROW = 0.5  # of the font's height: what parts a table from text, and not two lines of either
_OVERHANG = 0.1  # of a region's width: what reaches over a gutter by less belongs to its side
_WIDE = re.compile(f"[{HAN}\uac00-\ud7af]")

_Floats = NDArray[np.float64]
_Indices = NDArray[np.int64]


def in_order(lines: Sequence[Line]) -> list[list[Line]]:
    """Regions of a page in reading order; in each, what stands side by side belongs to one row."""
    if not lines:
        return []
    page = _Page.of(lines)
    return [page.lines(region) for region in _regions(page, np.arange(len(page.base)), 0)]


@dataclass(frozen=True, slots=True)
class _Page:
    """Pieces of a page: runs that follow each other on one line without a gap, in points.

    firsts: of each, the number of its first run among all, and one more for their end.
    """

    all: Sequence[Line]
    firsts: _Indices
    left: _Floats
    right: _Floats
    base: _Floats
    height: _Floats
    area: _Floats

    @classmethod
    def of(cls, lines: Sequence[Line]) -> _Page:
        left, right, base, height, at = np.array(list(zip(*lines, strict=True))[1:], np.float64)
        follows = np.zeros(len(lines), np.bool_)
        size = np.maximum(height[1:], height[:-1])
        gap = np.where(at[1:] == at[:-1], _BOX_GAP, _PIECE_GAP)
        follows[1:] = (np.abs(left[1:] - right[:-1]) < gap * size) & (
            np.abs(base[1:] - base[:-1]) < _PIECE_BASE * size
        )
        firsts = np.flatnonzero(~follows)
        left, right = np.minimum.reduceat(left, firsts), np.maximum.reduceat(right, firsts)
        base, height = np.minimum.reduceat(base, firsts), np.maximum.reduceat(height, firsts)
        area = (right - left) * height
        return cls(lines, np.append(firsts, len(lines)), left, right, base, height, area)

    def lines(self, pieces: _Indices) -> list[Line]:
        """Their runs."""
        if len(pieces) == len(self.base):
            return list(self.all)
        spans = zip(self.firsts[pieces].tolist(), self.firsts[pieces + 1].tolist(), strict=True)
        return [line for start, end in spans for line in self.all[start:end]]

    def lengths(self, pieces: _Indices) -> list[int]:
        """Characters of each, wide ones twice."""
        spans = zip(self.firsts[pieces].tolist(), self.firsts[pieces + 1].tolist(), strict=True)
        return [sum(map(_length, self.all[start:end])) for start, end in spans]


def _regions(page: _Page, pieces: _Indices, depth: int) -> Iterator[_Indices]:
    gutter = _gutter(page, pieces) if depth < _MAX_DEPTH else None
    if gutter is None:
        yield pieces
        return
    parts: list[tuple[bool, _Indices]] = []  # whether it is a column
    longest = 0
    enough = float(_PROSE_SHARE * page.area[pieces].sum())
    for band, across in _bands(page, pieces, gutter):
        for block, sides in [(band, None)] if across else _blocks(page, band, gutter, enough):
            if sides is not None:
                longest = max(longest, min(map(len, sides)))
                if reads_right_to_left(page.lines(block)):
                    sides.reverse()
                parts += [(True, side) for side in sides]
            elif parts and not parts[-1][0]:
                parts[-1] = (False, np.concatenate((parts[-1][1], block)))
            else:
                parts.append((False, block))
    if longest < _MIN_LINES:  # single lines with a wide gap
        yield pieces
        return
    for _, part in parts:
        yield from _regions(page, part, depth + 1)


def _gutter(page: _Page, pieces: _Indices) -> float | None:
    """The middle of the best gutter; None where there is none with _MIN_LINES on both sides."""
    if len(pieces) < 2 * _MIN_LINES:
        return None
    left, right = page.left[pieces], page.right[pieces]
    first, last = np.sort(right)[_MIN_LINES - 1], np.sort(left)[-_MIN_LINES]
    if first >= last:
        return None
    origin = left.min()
    size = int((right.max() - origin) / _BIN) + 2
    if size >= 10_000:
        return None
    area = page.area[pieces]
    on_left = np.cumsum(np.bincount(((right - origin) / _BIN).astype(int) + 1, area, size))
    begun = np.cumsum(np.bincount(((left - origin) / _BIN).astype(int), area, size))
    on_right = begun[-1] - begun
    worth = np.minimum(on_left, on_right) - _ACROSS_COST * (begun - on_left)
    worth[: int((first - origin) / _BIN) + 1] = 0.0
    worth[int((last - origin) / _BIN) :] = 0.0
    found = int(worth.argmax())
    if worth[found] <= 0:
        return None
    others = np.flatnonzero(worth[found:] != worth[found])
    run = int(others[0]) if len(others) else size - found
    return float(origin + (found + run / 2) * _BIN)


def _bands(page: _Page, pieces: _Indices, gutter: float) -> list[tuple[_Indices, bool]]:
    """Pieces from top to bottom in bands: (pieces, whether they run across the gutter)."""
    left, right, base = page.left[pieces], page.right[pieces], page.base[pieces]
    slack = _OVERHANG * (right.max() - left.min())
    across = (gutter - left > slack) & (right - gutter > slack)
    if not across.any():
        return [(pieces, False)]
    rows, near = np.sort(base[across]), 0.3 * page.height[pieces]
    is_across = np.searchsorted(rows, base - near) < np.searchsorted(rows, base + near)
    down = np.argsort(-base, kind="stable")
    _add_heads(is_across, down, base, page.height[pieces], left + right > 2 * gutter)
    changes = np.flatnonzero(np.diff(is_across[down])) + 1
    return [(pieces[np.sort(band)], bool(is_across[band[0]])) for band in np.split(down, changes)]


def _add_heads(
    is_across: NDArray[np.bool_],
    down: _Indices,
    base: _Floats,
    height: _Floats,
    is_right: NDArray[np.bool_],
) -> None:
    """A short line right above lines that run across, and apart from what is above it, goes with them: the
    title of a table or a picture, a heading.

    down: the pieces from top to bottom; all else by piece.
    """
    across = is_across[down]
    for first in (np.flatnonzero(across[1:] & ~across[:-1]) + 1).tolist():
        last = down[first - 1]
        row = first - 1
        while row and base[down[row - 1]] - base[last] < 0.3 * height[last]:
            row -= 1
        gap = base[last] - base[down[first]]
        is_apart = row and base[down[row - 1]] - base[last] > _APART * gap
        if is_apart and gap < _NEAR * height[last] and len(set(is_right[down[row:first]].tolist())) == 1:
            is_across[down[row:first]] = True


def _blocks(
    page: _Page, band: _Indices, gutter: float, enough: float
) -> Iterator[tuple[_Indices, list[_Indices] | None]]:
    """A band's blocks from top to bottom: (pieces, its left and right side where they are columns).

    Where the whole is none, as with a table under two columns, it is looked at between its white rows.
    """
    is_left = page.left[band] + page.right[band] <= 2 * gutter
    sides = [band[is_left], band[~is_left]]
    if _are_columns(page, is_left, sides, bool(page.area[band].sum() >= enough)):
        yield band, sides
        return
    found = [(block, _prose_sides(page, block, gutter, enough)) for block in _parted(page, band)]
    for in_columns, blocks in groupby(found, key=lambda each: each[1] is not None):
        group = list(blocks)
        block = np.concatenate([pieces for pieces, _ in group])
        if in_columns:
            yield (
                block,
                [np.concatenate(side) for side in zip(*(each[1] for each in group if each[1]), strict=True)],
            )
        else:
            yield block, None


def _parted(page: _Page, band: _Indices) -> list[_Indices]:
    """Parts of a band between rows that are white from left to right."""
    down = band[np.argsort(-page.base[band], kind="stable")]
    gaps = np.minimum.accumulate(page.base[down])[:-1] - (page.base + page.height)[down][1:]
    cuts = np.flatnonzero(gaps > _WHITE_ROW * page.height[down][1:]) + 1
    return [np.sort(part) for part in np.split(down, cuts)]


def _prose_sides(page: _Page, block: _Indices, gutter: float, enough: float) -> list[_Indices] | None:
    """Its sides where both are lines of prose, and large or drawn one after the other."""
    is_left = page.left[block] + page.right[block] <= 2 * gutter
    sides = [block[is_left], block[~is_left]]
    if min(map(len, sides)) < _MIN_LINES:
        return None
    if page.area[block].sum() < enough and np.count_nonzero(np.diff(is_left)) > 1:
        return None
    if min(_usual_length(page, side) for side in sides) < _BLOCK_LENGTH:
        return None
    return sides if all(_is_prose(page, side) for side in sides) else None


def _are_columns(page: _Page, is_left: NDArray[np.bool_], sides: Sequence[_Indices], large: bool) -> bool:
    """Whether two sides are read one after the other: both are prose, and large, or are drawn so."""
    fewer = min(map(len, sides))
    if not fewer:
        return False
    turns = int(np.count_nonzero(np.diff(is_left)))
    if large and all(_is_prose(page, side) for side in sides):
        return turns <= 1 or _are_abreast(page, sides)
    return fewer >= _MIN_LINES and turns <= max(1, len(is_left) // 12) and not _is_tabular(page, *sides)


def _are_abreast(page: _Page, sides: Sequence[_Indices]) -> bool:
    """Some lines of the shorter side have others beside them; none have where text stands now to the right
    of a picture, now to the left.
    """
    short, long_ = sorted(sides, key=len)
    others, near = np.sort(page.base[long_]), page.height[short]
    beside = np.searchsorted(others, page.base[short] - near) < np.searchsorted(
        others, page.base[short] + near
    )
    return bool(beside.mean() > _ABREAST)


def _is_prose(page: _Page, side: _Indices, depth: int = 0) -> bool:
    """Half of its text stands in lines that are long and fill its width; the rest may be a figure's.

    Of more columns, each is so.
    """
    left, right, lengths = page.left[side], page.right[side], np.array(page.lengths(side))
    filled = right - left >= _PROSE_FILL * (right.max() - left.min())
    full = filled & (lengths >= _PROSE_LENGTH)
    if 2 * int(lengths[full].sum()) >= int(lengths.sum()):
        return True
    gutter = _gutter(page, side) if depth < _MAX_COLUMNS - 2 else None
    if gutter is None:
        return False
    halves = side[right <= gutter], side[left >= gutter]
    return all(len(half) and _is_prose(page, half, depth + 1) for half in halves)


def _usual_length(page: _Page, side: _Indices) -> int:
    """Half of the text stands in lines of so many characters or more."""
    lengths = sorted(page.lengths(side), reverse=True)
    half, seen = sum(lengths) / 2, 0
    for length in lengths:
        seen += length
        if seen >= half:
            return length
    return 0


def _length(line: Line) -> int:
    """Characters, wide ones twice."""
    return len(line.text) + (0 if line.text.isascii() else len(_WIDE.findall(line.text)))


def _is_tabular(page: _Page, left: _Indices, right: _Indices) -> bool:
    """Most lines of the shorter side stand level with one of the other, and are short."""
    short, long_ = (left, right) if len(left) <= len(right) else (right, left)
    level = np.isin(np.round(page.base[short]), np.round(page.base[long_])).sum()
    if level < 0.8 * len(short):
        return False
    return min(_usual_length(page, left), _usual_length(page, right)) < _PROSE_LENGTH
