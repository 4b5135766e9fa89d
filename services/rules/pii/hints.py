"""Whether a known word may announce anything in a text at all, told by a few of its signs.

Never no where there is something. It spares a page that nobody has measured the hashes of all its words,
which take longer than all the rest of the search.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from services.rules.words import ACCOUNT, AT, NAME, SPELLED

_REACH = 60  # characters from the word before a colon to the end of what it announces (cues.py)
_BLANKS = " \t\u3000"
_NAMES, _WECHATS = ("Name", "name", "Cardholder", "Attn"), ("wx", "vx")
_LASTS = frozenset("ernxX" + _BLANKS)  # of these, and what may stand between them and the colon
_ACCOUNTS = (b"employee", b"staff", b"badge", b"passport", b"wechat", b"weixin")
_NUMBERED = re.compile(b"(?:employee|staff|badge) ?(?:id|no|nu|#)|passport|wechat|weixin")
_ATS = tuple(f"{left}at{right}{end}".encode() for left in ("", " ") for right in ("", " ") for end in "])")
# First, second and third signs of the words for digits, one bit for each line: what else fits is rare.
_OTHERS = "".join(chr(sign) for sign in range(256) if not chr(sign).isascii() or not chr(sign).isalpha())
_BEGINNINGS = (
    ("zn", "ei", "rn"), ("o", "n", "e"), ("o", "h", _OTHERS), ("t", "w", "o"),
    ("t", "h", "r"), ("f", "oi", "uv"), ("s", "ie", "xv"), ("e", "i", "g"),
)  # fmt: skip
_TABLES = tuple(
    bytes(
        sum(1 << bit for bit, signs in enumerate(_BEGINNINGS) if chr(sign) in signs[at])
        for sign in range(256)
    )
    for at in range(3)
)
_SEVEN = 6 * len("seven - ") + 2 * len("double ")  # signs from the first of seven such words to the last


def hinted(text: str, colons: Sequence[int]) -> int:
    """Bits of words.py, of those that announce, whose words may do so here. colons: where the text's are."""
    low = text.encode("ascii", "replace").lower()  # as long as the text
    bits = _before_colons(text, colons)
    if any(word in low for word in _ACCOUNTS) and _NUMBERED.search(low):
        bits |= ACCOUNT
    if any(piece.startswith(_ATS) for piece in low.replace(b"[", b"(").split(b"(")):
        bits |= AT
    if _may_spell(low + b" "):
        bits |= SPELLED
    return bits


def _before_colons(text: str, colons: Sequence[int]) -> int:
    bits = 0
    for colon in colons:
        if text[colon - 1] not in _LASTS:
            continue
        word = text[max(0, colon - _REACH) : colon].rstrip(_BLANKS)
        if word.endswith(_NAMES):
            if "A" <= text[colon + 1 : colon + _REACH].lstrip(_BLANKS)[:1] <= "Z":
                bits |= NAME
        elif word[-2:].lower() in _WECHATS:
            bits |= ACCOUNT
    return bits


def _may_spell(low: bytes) -> bool:
    """Whether seven words for digits may stand near each other."""
    first, second, third = [np.frombuffer(low.translate(table), np.uint8) for table in _TABLES]
    starts = ((first[:-2] & second[1:-1] & third[2:]) != 0).nonzero()[0].tolist()
    return any(seventh - start <= _SEVEN for start, seventh in zip(starts, starts[6:], strict=False))
