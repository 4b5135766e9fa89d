"""Characters that are compared as one, though they are written differently.

Full-width and other compatibility forms count as what they stand for (Unicode's NFKC, UAX #15, where that is
a single character), typographic quotes and dashes as the plain ones, and traditional Chinese characters as
their simplified ones (the characters of OpenCC's t2s; what differs by region in whole words stays different).
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.uint32]

_SIZE = 0x30000  # Han ends below; private and special planes stand for themselves
_COMPATIBLE = ((0x2E80, 0x2FE0), (0x3000, 0x3040), (0xF900, 0xFB00), (0xFF01, 0xFFEF), (0x2F800, 0x2FA20))
_HAN = ((0x3000, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFF65), (0x20000, 0x2FFFF))
_TRADITIONAL = (0x3400, 0xA000)
_PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."}
_SPACE = 0x20
_HAN_TEXT = 0.25  # of the characters; less are words and names in a text of another script


def fold(text: str, *, script: bool) -> str:
    """The text as it is compared; it must not begin or end with a space.

    Spaces beside Han characters or kana are left out, and all where such make up a good part of the text:
    they come from a hard wrap or from typesetting, which falls into Latin words too.
    script: whether traditional characters count as simplified ones.
    """
    points = np.frombuffer(unicodedata.normalize("NFC", text).encode("utf-32-le", "surrogatepass"), np.uint32)
    near = points if not len(points) or points.max() < _SIZE else np.where(points < _SIZE, points, 0)
    folded = _table(script).take(near)
    if near is not points:
        folded = np.where(points < _SIZE, folded, points)
    spaces = np.flatnonzero(points == _SPACE)
    wide = _wide().take(near)
    if np.count_nonzero(wide) < _HAN_TEXT * (len(points) - len(spaces)):
        spaces = spaces[wide[spaces - 1] | wide[np.minimum(spaces + 1, len(wide) - 1)]]
    folded = np.delete(folded, spaces)
    return folded.tobytes().decode("utf-32-le", "surrogatepass")


@cache
def _table(script: bool) -> Points:
    """What each character counts as."""
    table = np.arange(_SIZE, dtype=np.uint32)
    for begin, end in _COMPATIBLE:
        for point in range(begin, end):
            plain = unicodedata.normalize("NFKC", chr(point)).lower()
            if len(plain) == 1:
                table[point] = ord(plain)
    for character, plain in _PLAIN.items():
        table[ord(character)] = ord(plain)
    if script:
        simplified = np.arange(_SIZE, dtype=np.uint32)
        simplified[slice(*_TRADITIONAL)] = _simplified()
        table = simplified[table]
    return table


def _simplified() -> Points:
    from opencc import OpenCC

    characters = "\n".join(map(chr, range(*_TRADITIONAL)))  # one a line: no words, whose rules differ
    found = OpenCC("t2s").convert(characters).split("\n")
    pairs = zip(found, range(*_TRADITIONAL), strict=True)
    return np.array([ord(each) if len(each) == 1 else point for each, point in pairs], np.uint32)


@cache
def _wide() -> npt.NDArray[np.bool_]:
    wide = np.zeros(_SIZE, bool)
    for first, last in _HAN:
        wide[first : last + 1] = True
    return wide
