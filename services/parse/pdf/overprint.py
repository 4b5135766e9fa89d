"""Words made bold by drawing them twice, a little apart, piece by piece: PDFium takes whole words alone for
that, and gives the rest as "BBeefforeore".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DOUBLED, _WINDOW = 8, 32  # letters like the one before, among so many; English has one
_LONGEST_PIECE = 12  # characters
_APART = 0.15  # of the font's height, by which the second stands off


def is_doubled(codes: NDArray[np.uint16]) -> bool:
    """Whether somewhere in a text every fourth character or more is a letter like the one before."""
    like = np.flatnonzero(codes[1:] == codes[:-1])
    letters = codes[like]
    small = letters | 0x20
    like = like[((small >= ord("a")) & (small <= ord("z"))) | (letters > 0xFF)]
    return len(like) >= _DOUBLED and bool((like[_DOUBLED - 1 :] - like[: 1 - _DOUBLED] < _WINDOW).any())


def drawn_again(codes: NDArray[np.uint32], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of each character, whether it was drawn there shortly before. boxes: [character, (left, bottom, right,
    top)], points.
    """
    near = _APART * (boxes[:, 3] - boxes[:, 1])
    again = np.zeros(len(codes), np.bool_)
    for apart in range(1, min(_LONGEST_PIECE, len(codes) - 1) + 1):
        is_there = (np.abs(boxes[apart:, :2] - boxes[:-apart, :2]) < near[apart:, None]).all(1)
        again[apart:] |= is_there & (codes[apart:] == codes[:-apart]) & ~again[:-apart]
    return again
