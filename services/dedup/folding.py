"""Characters that are compared as one, though they are written differently.

What is not seen (soft hyphens, joiners, marks of direction: Unicode's default ignorables) does not count.
Full-width and other compatibility forms count as what they stand for (Unicode's NFKC, UAX #15, where that is
a single character), typographic quotes and dashes as the plain ones, and traditional Chinese characters as
their simplified ones (the characters of OpenCC's t2s). A text in traditional Chinese has its words for those
of the mainland, too (OpenCC's tw2sp): manual pages that are there in both scripts are then alike by 0.97,
where characters alone give 0.80. That takes 50 us for 1,000 characters, and nothing of other texts.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from opencc import OpenCC

Points = npt.NDArray[np.uint32]

_SIZE = 0x30000  # Han ends below; private and special planes stand for themselves
_COMPATIBLE = ((0x2E80, 0x2FE0), (0x3000, 0x3040), (0xF900, 0xFB00), (0xFF01, 0xFFEF), (0x2F800, 0x2FA20))
_HAN = ((0x3000, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFF))
_TRADITIONAL = (0x3400, 0xA000)
_PLAIN = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."}
_SPACE = 0x20
_UNSEEN = (
    (0xAD, 0xAE), (0x180B, 0x180F), (0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2070), (0xFE00, 0xFE10),
    (0xFEFF, 0xFF00),
)  # fmt: skip
_TRADITIONAL_TEXT = (
    0.05  # of the Han characters are not simplified ones; of a text that is traditional some 0.3
)
_HAN_TEXT = 0.25  # of the characters; less are words and names in a text of another script


def fold(text: str, *, script: bool) -> str:
    """The text as it is compared; it must not begin or end with a space.

    Spaces beside Han characters or kana are left out, and all where such make up a good part of the text:
    they come from a hard wrap or from typesetting, which falls into Latin words too.
    script: whether traditional characters count as simplified ones.
    """
    points = _points(unicodedata.normalize("NFC", text))
    near = points if not len(points) or points.max() < _SIZE else np.where(points < _SIZE, points, 0)
    spaces = np.flatnonzero(points == _SPACE)
    wide = _wide().take(near)
    num_wide = np.count_nonzero(wide)
    if num_wide < _HAN_TEXT * (len(points) - len(spaces)):
        spaces = spaces[wide[spaces - 1] | wide[np.minimum(spaces + 1, len(wide) - 1)]]
    points = np.delete(points, spaces)
    folded = _counted_as(points, script=script)
    if (
        script
        and np.count_nonzero(folded != _counted_as(points, script=False)) > _TRADITIONAL_TEXT * num_wide
    ):
        # in whole words, which spaces would have cut
        folded = _counted_as(_points(_mainland().convert(_text(points, "replace"))), script=True)
    return _text(folded)


def _counted_as(points: Points, *, script: bool) -> Points:
    """What each character counts as."""
    table = _table(script)
    if not len(points) or points.max() < _SIZE:
        return table.take(points)
    return np.where(points < _SIZE, table.take(np.minimum(points, _SIZE - 1)), points)


def seen(text: str) -> str:
    """Without what is not seen; a text of nothing else is left as it is."""
    points = _points(text)
    shown = _shown().take(np.minimum(points, len(_shown()) - 1))
    if shown.all() or not shown.any():
        return text
    return _text(points[shown])


def tight(text: str) -> str:
    """Without the spaces that part no two words: those beside an operator, a bracket or a comma."""
    points = _points(text)
    word = _in_words().take(np.minimum(points, len(_in_words()) - 1))
    spaces = np.flatnonzero(points == _SPACE)
    parting = word[spaces - 1] & word[np.minimum(spaces + 1, len(word) - 1)]
    return _text(np.delete(points, spaces[~parting]))


@cache
def _in_words() -> npt.NDArray[np.bool_]:
    return np.array([chr(point).isalnum() or point == ord("_") for point in range(_SIZE)])


def _points(text: str) -> Points:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _text(points: Points, errors: str = "surrogatepass") -> str:
    return points.tobytes().decode("utf-32-le", errors)


@cache
def _mainland() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("tw2sp")


@cache
def _shown() -> npt.NDArray[np.bool_]:
    shown = np.ones(0x10000, bool)
    for begin, end in _UNSEEN:
        shown[begin:end] = False
    return shown


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
