"""Whether a known word may announce anything in a text at all, told by a few of its signs.

Never no where there is something. It spares a page that nobody has measured the hashes of all its words,
which take longer than all the rest of the search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from services.rules.page import Page
from services.rules.words import ACCOUNT, AT, NAME, SPELLED

_REACH = 60  # characters from the word before a colon to the end of what it announces (cues.py)
_BLANKS = " \t\u3000"
_NAMES, _WECHATS = ("Name", "name", "Cardholder", "Attn"), ("wx", "vx")
_EMPLOYEES = tuple(
    f"{word}{between}{number}" for word in ("emp", "personnel") for between in (" ", "_", "-", ". ", ".", "")
    for number in ("id", "no", "no.", "number")
)  # fmt: skip
_LASTS = frozenset("ernxXdDoOR." + _BLANKS)  # of these, and what may stand between them and the colon
_NUMBERED = re.compile("(?:employee|staff|badge)[ _.-]?(?:id|no|nu|#)|passport|wechat|weixin", re.IGNORECASE)
_AT = re.compile(r"[\[({<（【] ?at ?[\])}>）】]", re.IGNORECASE)
_DOT = re.compile(" dot ", re.IGNORECASE)
# Three signs in a row of a word, one bit for each line, capitals as small letters: the first three of the
# words for digits, and of the others the rarest. What else fits is rare. \xff is any sign above as well.
_OTHERS = "".join(chr(sign) for sign in range(256) if not chr(sign).isascii() or not chr(sign).isalpha())
_DIGITS = (
    ("zn", "ei", "rn"), ("o", "n", "e"), ("o", "h", _OTHERS), ("t", "w", "o"),
    ("t", "h", "r"), ("f", "oi", "uv"), ("s", "ie", "xv"), ("e", "i", "g"),
)  # fmt: skip
_OF_ACCOUNTS = (("o", "y", "e"), ("t", "a", "f"), ("a", "d", "g"), ("s", "s", "p"), ("w", "e", "ci"))
_OF_ADDRESSES = (("[({<\xff", "a", "t"), ("[({<", " ", "a"), ("d", "o", "t"))
_FIRSTS, _SECONDS, _THIRDS = (
    np.array(
        [
            sum(
                1 << bit
                for bit, signs in enumerate(_DIGITS + _OF_ACCOUNTS + _OF_ADDRESSES)
                if sign in signs[at]
            )
            for sign in map(str.lower, map(chr, range(256)))
        ],
        np.uint16,
    )
    for at in range(3)
)
_SPELLED = (1 << len(_DIGITS)) - 1
_ACCOUNT = ((1 << len(_OF_ACCOUNTS)) - 1) << len(_DIGITS)
_ADDRESS = ((1 << len(_OF_ADDRESSES)) - 1) << len(_DIGITS + _OF_ACCOUNTS)
_NEAR = 10  # characters from the begin of a word to the line's
_SEVEN = 6 * len("seven - ") + 2 * len("double ")  # signs from the first of seven such words to the last


def hinted(page: Page, colons: Sequence[int]) -> int:
    """Bits of words.py, of those that announce, whose words may do so here. colons: where the page's are."""
    text = page.text
    bits = _before_colons(text, colons)
    starts: list[int] = []
    for place, line in _fitting(page):
        if line & _SPELLED:
            starts.append(place)
        if line & _ACCOUNT and _NUMBERED.search(text, max(0, place - _NEAR), place + 3 * _NEAR):
            bits |= ACCOUNT
        if line & _ADDRESS and (_AT.match(text, place) or _DOT.match(text, place - 1)):
            bits |= AT
    if any(seventh - start <= _SEVEN for start, seventh in zip(starts, starts[6:], strict=False)):
        bits |= SPELLED
    return bits


def _fitting(page: Page) -> Iterator[tuple[int, int]]:
    """Where three signs fit, and the bits of their lines. Behind the last sign stands one that is none."""
    signs = np.zeros(page.size + 1, np.intp)
    signs[:-1] = page.points
    if not page.text.isascii():
        np.minimum(signs, 255, out=signs)
    lines = _FIRSTS.take(signs[:-2]) & _SECONDS.take(signs[1:-1]) & _THIRDS.take(signs[2:])
    places = (lines != 0).nonzero()[0]
    return zip(places.tolist(), lines[places].tolist(), strict=True)


def _before_colons(text: str, colons: Sequence[int]) -> int:
    bits = 0
    for colon in colons:
        if text[colon - 1] not in _LASTS:
            continue
        word = text[max(0, colon - _REACH) : colon].rstrip(_BLANKS)
        if word.endswith(_NAMES):
            if "A" <= text[colon + 1 : colon + _REACH].lstrip(_BLANKS)[:1] <= "Z":
                bits |= NAME
        elif word[-2:].lower() in _WECHATS or word.lower().endswith(_EMPLOYEES):
            bits |= ACCOUNT
    return bits
