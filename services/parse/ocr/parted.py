"""Lines that were found over a gutter or a rule, cut there: what is found on a smaller picture runs over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from services.parse.ocr.seen import Corners
from services.parse.ruled import Rules

TALL = 1.5  # times as high as wide; RapidOCR turns such a line
_GUTTER = 0.9  # of a line's height: wider than a space between words
INK = 48  # of 255: as much darker than the paper; what is grey is written, too
_MARGIN = 0.2  # of its height, to either side


def parted(box: Corners, crop: Any, rules: Rules) -> list[tuple[Corners, Any]]:
    """The corners and the picture of a line, or of its parts where a rule runs through it or it is white for
    as wide as a gutter.
    """
    a, b, c, d = (np.array(corner) for corner in box)
    width = crop.shape[1]
    if math.dist(a, d) > TALL * math.dist(a, b):
        return [(box, crop)]
    cuts = sorted(_gutters(crop) + [(x, x) for x in _rules_through(box, width, rules)])
    starts, ends = [0, *(start for _, start in cuts)], [*(end for end, _ in cuts), width]
    shares = [(left, right, left / width, right / width) for left, right in zip(starts, ends, strict=True)]
    return [
        ([_at(a, b, first), _at(a, b, last), _at(d, c, last), _at(d, c, first)], crop[:, left:right])
        for left, right, first, last in shares
        if right > left
    ]


def _gutters(crop: Any) -> list[tuple[int, int]]:
    """Where the one part ends, and where the next begins, each with a margin."""
    height = crop.shape[0]
    middle = crop[height // 6 : height - height // 6]
    if np.median(middle) < 128:  # white on black
        middle = 255 - middle
    inked = np.flatnonzero(middle.min((0, 2)) < np.quantile(middle, 0.9) - INK)
    gaps = np.flatnonzero(np.diff(inked) > _GUTTER * height)
    margin = int(_MARGIN * height)
    return [(int(inked[gap]) + margin, int(inked[gap + 1]) - margin) for gap in gaps]


def _rules_through(box: Corners, width: int, rules: Rules) -> list[int]:
    """Where in its picture."""
    left, top = map(min, zip(*box, strict=True))
    right, bottom = map(max, zip(*box, strict=True))
    x, first, last = rules.down.T
    edge = (bottom - top) / 4
    through = (first <= top) & (last >= bottom) & (left + edge < x) & (x < right - edge)
    return [round((at - left) / (right - left) * width) for at in x[through].tolist()]


def _at(start: Any, end: Any, share: float) -> tuple[float, float]:
    x, y = start + (end - start) * share
    return float(x), float(y)
