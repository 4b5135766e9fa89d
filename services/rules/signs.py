"""What a text may need before it is a page, told by one look at each character of several texts.

A sign says what may be there, never what is: most texts have none, and what looks closer is spared them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import NUM_POINTS
from services.rules.mojibake import RARE, SIGNS
from services.rules.normalise import BLANK, BREAK, DAMAGED, ODD

IS_ODD, IS_DAMAGED, IS_MOJIBAKE, IS_TRAILED = 1, 2, 4, 8  # trailed: a blank stands at a line's end
_BLANK, _BREAK = 16, 32
IS_RARE = 64  # of the decodings that are wrong


def signs_of(texts: Sequence[str]) -> list[int]:
    """The signs of each text, bits of an int."""
    whole = "".join([f"{text}\n" for text in texts])
    if whole.isascii():
        signs = _signs()[:128].take(np.frombuffer(whole.encode(), np.uint8))
    else:
        signs = _signs().take(np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), np.uint32))
    trailing = (signs[:-1] & _BLANK) & ((signs[1:] & _BREAK) >> 1)
    signs[:-1] |= trailing >> 1
    starts = np.cumsum([0, *[len(text) + 1 for text in texts[:-1]]])
    found: list[int] = np.bitwise_or.reduceat(signs, starts).tolist()
    return [sign & ~(_BLANK | _BREAK) for sign in found]


@cache
def _signs() -> NDArray[np.uint8]:
    every = "".join(map(chr, range(NUM_POINTS)))
    table = np.zeros(NUM_POINTS, np.uint8)
    for sign, pattern in (
        (IS_ODD, ODD), (IS_DAMAGED, DAMAGED), (IS_MOJIBAKE, SIGNS), (IS_RARE, RARE), (_BLANK, BLANK),
        (_BREAK, BREAK),
    ):  # fmt: skip
        table[[found.start() for found in pattern.finditer(every)]] |= sign
    return table
