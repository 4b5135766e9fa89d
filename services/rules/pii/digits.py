"""Digits however they are written: full-width, as Chinese characters, as English words.

Folding keeps the length, so that what is found in a folded piece has its place in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from services.rules.characters import HAN_DIGITS
from services.rules.pii.span import Span

_WIDE = {
    **{0xFF01 + i: 0x21 + i for i in range(94)},  # full-width forms of ASCII
    **dict.fromkeys(map(ord, "‐‑‒–—－"), ord("-")),
    **dict.fromkeys(map(ord, "．·•・"), ord(".")),
    **dict.fromkeys(
        map(ord, "\u3000\u2060\xa0\u2009\u202f\u200b"), 0x20
    ),  # wide, no-break, thin, of no width
}

_HAN = _WIDE | {
    ord(sign): ord(digit) for sign, digit in zip(HAN_DIGITS, "001234567891123456789", strict=True)
}

WORDS = {
    "zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_WORD = r"(?:(?:double|triple) )?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_SPELLED = re.compile(rf"\b{_WORD}(?:(?: |, ?| ?- ?){_WORD}){{6,14}}\b", re.IGNORECASE)
_TIMES = {"double": 2, "triple": 3}


# str.translate takes a microsecond for each character that is in no table; most are in none.
_FOLDED = {chr(sign): chr(point) for sign, point in _HAN.items()}
_WIDE_SIGN = re.compile(f"[{''.join(map(re.escape, map(chr, _WIDE)))}]")
_HAN_SIGN = re.compile(f"[{''.join(map(re.escape, _FOLDED))}]")


def fold(piece: str) -> str:
    """ASCII digits, letters and marks for the full-width ones, one for one."""
    return piece if piece.isascii() else _WIDE_SIGN.sub(_folded, piece)


def fold_han(piece: str) -> str:
    """The same, and ASCII digits for Chinese characters."""
    return _HAN_SIGN.sub(_folded, piece)


def _folded(sign: re.Match[str]) -> str:
    return _FOLDED[sign[0]]


def spelled(text: str, places: Sequence[int]) -> Iterator[Span]:
    """Phone numbers: runs of at least seven English words for digits that begin there."""
    reached = 0
    for place in places:
        found = _SPELLED.match(text, place) if place >= reached else None
        if found is not None:
            reached = found.end()
            yield Span(place, reached, "phone", _value(found[0]))


def _value(words: str) -> str:
    digits, times = "", 1
    for word in re.findall("[a-z]+", words.lower()):
        if word in _TIMES:
            times = _TIMES[word]
        else:
            digits, times = digits + times * WORDS[word], 1
    return digits
