"""One form for what is written in several, sign by sign: capitals, full-width letters, traditional ones."""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from numpy.typing import NDArray

_WIDE = (0xFF10, 0xFF5B)  # digits and letters; marks of that width are Chinese ones
_TO_ASCII = 0xFEE0
_HAN = (0x3400, 0xA000)
_ALIKE = {"İ": "i", "ς": "σ"}  # whose small letter is two signs, or another at the end of a word


def fold(text: str) -> str:
    """The text in one form, as long as it is."""
    return _forms().take(points_of(text)).tobytes().decode("utf-32-le", "surrogatepass")


def points_of(text: str) -> NDArray[np.uint32]:
    """Code points [len(text)]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@cache
def _forms() -> NDArray[np.uint32]:
    """Of each code point the one that stands for it, uint32 [0x110000]: OpenCC's t2s for each character."""
    from opencc import OpenCC

    forms = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    forms[_WIDE[0] : _WIDE[1]] -= _TO_ASCII
    simplified = OpenCC("t2s").convert("\n".join(map(chr, range(*_HAN)))).split("\n")
    forms[_HAN[0] : _HAN[1]] = [ord(sign) if len(sign) == 1 else 0 for sign in simplified]
    for point in range(0x20000):  # beyond is Han
        small = chr(forms[point]).lower()
        if len(small) == 1:  # of a few the lower case is longer, and places must stay
            forms[point] = ord(small)
    for sign, form in _ALIKE.items():
        forms[ord(sign)] = ord(form)
    return forms
