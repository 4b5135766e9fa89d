"""Text that is turned by quarters, and the frame in which it is upright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf.line import Line

_Floats = NDArray[np.float64]


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


def within(lines: Sequence[Line], quarters: int, others: Sequence[Line], their_quarters: int) -> list[Line]:
    """Turned lines that stand between others, turned otherwise; what is beside them all is a stamp in the
    margin.
    """
    left, right = min(line.left for line in others), max(line.right for line in others)
    boxes = np.array([(line.left, line.base, line.right, line.base + line.height) for line in lines])
    boxes = upright(boxes, np.full(len(lines), (their_quarters - quarters) % 4))
    return [line for line, box in zip(lines, boxes, strict=True) if box[2] > left and box[0] < right]
