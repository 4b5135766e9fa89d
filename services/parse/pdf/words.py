"""Words of texts as PDFium gives them: where they begin and end, and which of them begin a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.parse.pdf.characters import Ints

Codes = NDArray[np.uint32]  # code points

# PDFium marks a hyphen at a line's end and adds no line end. Leaders are one word, though they are set apart.
HYPHENS = "\x02\ufffe"
BLANK = np.zeros(sys.maxunicode + 1, np.bool_)  # by the code point, whether it is of no word
BLANK[[code for code in range(0x3001) if not code or chr(code).isspace()]] = True
_WORD = re.compile("(?:[.·…] ?){6,}(?<! )|[^\\s\x00\x02\ufffe]+[\x02\ufffe]?|[\x02\ufffe]")
_LEADER_SIGNS = ("..", ". .", "·", "…")  # only where one of them is, there may be leaders
_LEADERS = re.compile("(?:[.·…] ?){6,}")


def codes_of(text: str) -> Codes:
    """Its code points."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def words_of(texts: Sequence[str], starts: Iterable[int], codes: Codes) -> Ints:
    """Where words begin and end: [word, (first character, the one after its last)].

    starts: where each text stands in the whole, of which these are the codes.
    """
    if not any(map(_has_leaders, texts)):
        return _between_blanks(codes)
    return np.concatenate([start + _with_leaders(text) for start, text in zip(starts, texts, strict=False)])


def begin_a_line(places: Ints, codes: Codes) -> NDArray[np.bool_]:
    """Of each word, whether it begins a line: PDFium writes a line's end, or a hyphen, before it."""
    ends, starts = places[:-1, 1], places[1:, 0]
    found = np.ones(len(places), np.bool_)
    seen = np.cumsum((codes == ord("\r")) | (codes == ord("\n")))
    last = codes[ends - 1]
    found[1:] = (seen[starts] > seen[ends - 1]) | (last == ord("\x02")) | (last == ord("\ufffe"))
    found[1:] &= (starts - ends != 1) | (codes[ends] != ord(" "))
    return found


def _has_leaders(text: str) -> bool:
    return any(sign in text for sign in _LEADER_SIGNS) and _LEADERS.search(text) is not None


def _with_leaders(text: str) -> Ints:
    if not _has_leaders(text):
        return _between_blanks(codes_of(text))
    return np.array(list(map(re.Match.span, _WORD.finditer(text))), np.int64).reshape(-1, 2)


def _between_blanks(codes: Codes) -> Ints:
    """Where words begin and end, in a text without leaders."""
    written = np.zeros(len(codes) + 2, np.bool_)
    written[1:-1] = ~BLANK[codes]
    cut = np.zeros(len(codes) + 1, np.bool_)
    for hyphen in HYPHENS:
        cut[1:] |= codes == ord(hyphen)
    begins = written[1:] & (cut | ~written[:-1])
    ends = written[:-1] & (cut | ~written[1:])
    return np.stack([np.flatnonzero(begins), np.flatnonzero(ends)], axis=-1)
