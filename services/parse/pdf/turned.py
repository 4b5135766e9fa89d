"""Text that is turned by quarters or leans a little, and the frame in which it is upright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf.line import Line

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_LEAST, _MOST = (
    0.002,
    0.2,
)  # radians: of less, lines of a page are straight, and by more it was not laid askew
_ALIKE = 0.01  # radians


def upright(boxes: _Floats, quarters: NDArray[np.int64]) -> _Floats:
    """Boxes [..., (left, bottom, right, top)] of text that is turned clockwise by so many quarters [...],
    where it stands once the page is turned back; the page's lower left corner stays the origin.
    """
    if not quarters.any():
        return boxes
    left, bottom, right, top = np.moveaxis(boxes, -1, 0)
    turned = [
        (left, bottom, right, top),
        (-top, left, -bottom, right),
        (-right, -top, -left, -bottom),
        (bottom, -right, top, -left),
    ]
    choice = np.broadcast_to(quarters, left.shape)
    return np.stack([np.choose(choice, [box[side] for box in turned]) for side in range(4)], axis=-1)


def leaning(angles: _Floats, pages: _Ints) -> _Floats:
    """By how much the text of each page leans beside its quarters, as most of its lines do; in radians.

    angles: of lines. pages: of each of them its page, rising. 0 where lines do not lean alike: what is
    written askew by itself is no scan's layer of text.
    """
    rest = angles - np.round(angles / (np.pi / 2)) * (np.pi / 2)
    leans = np.zeros(len(angles))
    if not (np.abs(rest) > _LEAST).any():
        return leans
    for page in np.unique(pages):
        lines = pages == page
        lean = float(np.median(rest[lines]))
        if _LEAST < abs(lean) < _MOST and (np.abs(rest[lines] - lean) < _ALIKE).mean() > 0.5:
            leans[lines] = lean
    return leans


def straightened(boxes: _Floats, leans: _Floats) -> _Floats:
    """Boxes [..., (left, bottom, right, top)], upright but for leaning [...], where they stand without it; of
    the same size.
    """
    if not leans.any():
        return boxes
    sine, cosine = np.sin(leans), np.cos(leans)
    x, y = (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
    right, up = x * cosine - y * sine - x, x * sine + y * cosine - y
    return boxes + np.stack([right, up, right, up], axis=-1)


def within(lines: Sequence[Line], quarters: int, others: Sequence[Line], their_quarters: int) -> list[Line]:
    """Turned lines that stand between others, turned otherwise; what is beside them all is a stamp in the
    margin.
    """
    left, right = min(line.left for line in others), max(line.right for line in others)
    boxes = np.array([(line.left, line.base, line.right, line.base + line.height) for line in lines])
    boxes = upright(boxes, np.full(len(lines), (their_quarters - quarters) % 4))
    return [line for line, box in zip(lines, boxes, strict=True) if box[2] > left and box[0] < right]
