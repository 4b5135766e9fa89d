"""E-mail addresses and addresses of IP version 6, each found from the sign that none is without."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator, Sequence
from itertools import pairwise

from services.rules.pii.digits import fold
from services.rules.pii.span import Span

_LONGEST = 64  # characters before the @ (RFC 5321)
_SIGNS_OF_LOCAL = string.ascii_letters + string.digits + "_%+&.-"
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}([A-Za-z]{2,24})(?![A-Za-z0-9-])")
_HIDDEN = re.compile(
    r"(?<![A-Za-z0-9._%+-])([A-Za-z0-9][A-Za-z0-9._%+-]{0,63}) ?[\[(] ?at ?[\])] ?"
    r"([A-Za-z0-9-]{1,63}(?:(?: ?[\[(] ?dot ?[\])] ?|\.)[A-Za-z0-9-]{1,63}){1,4})(?![A-Za-z0-9-])",
    re.IGNORECASE,
)
_DOT = re.compile(r" ?[\[(] ?dot ?[\])] ?", re.IGNORECASE)
_WIDE = re.compile(r"[A-Za-z0-9.-]*[\uff0d\uff0e\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
# What a file is called and no domain is: icon@2x.png.
_FILES = frozenset(
    re.findall(
        "[a-z]+", "png jpg jpeg gif webp svg css js ts json html py md txt pdf doc docx csv zip gz min"
    )
)
# RFC 2606 and names that stand for a service: nobody's.
_NOBODYS = re.compile(r"(?:^git@|[@.]example\.(?:com|org|net)$|\.(?:example|test|invalid|localhost|local)$)")

_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
_HEX = frozenset("0123456789abcdefABCDEF:")
_LONGEST_V6 = 39
_BETWEEN = 5  # from one colon to the next


def emails(text: str) -> list[Span]:
    """Addresses with @ or its full-width form."""
    spans: list[Span] = []
    for sign in "@＠":
        reached, place = 0, text.find(sign)
        while place >= 0:
            found = _around(text, place, reached)
            if found is not None:
                spans.append(found)
                reached = found.end
            place = text.find(sign, place + 1)
    return spans


def hidden_emails(text: str, places: Sequence[int]) -> Iterator[Span]:
    """Addresses with words in brackets for signs: name [at] domain [dot] org. places: of each "at"."""
    for place in places:
        if "[" in text[place - 2 : place] or "(" in text[place - 2 : place]:
            found = _HIDDEN.search(text, max(0, place - _LONGEST - 2), place + 256)
            if found is not None:
                domain = _DOT.sub(".", found[2])
                yield Span(found.start(), found.end(), "email", f"{found[1]}@{domain}".lower())


def is_nobodys(address: str) -> bool:
    """Whether it stands for an address: of an example, a test, a version control system."""
    return _NOBODYS.search(address) is not None


def _around(text: str, at: int, low: int) -> Span | None:
    before, behind = text[max(low, at - _LONGEST) : at], text[at + 1 : at + 256]
    if before[-1:] > "\uff00" or _WIDE.match(behind):
        before, behind = fold(before), fold(behind)
    domain = _DOMAIN.match(behind)
    if domain is None or domain[1].lower() in _FILES:
        return None
    local = before[len(before.rstrip(_SIGNS_OF_LOCAL)) :].lstrip("_%+&.-")
    if not local or ".." in local:
        return None
    return Span(at - len(local), at + 1 + domain.end(), "email", f"{local}@{domain[0]}".lower())


def addresses_of_version_6(text: str, colons: Sequence[int]) -> list[Span]:
    """Public ones; times of day and names in code have colons as well, and two of them near each other."""
    spans: list[Span] = []
    reached = 0
    for one, other in pairwise(colons):
        if other - one > _BETWEEN or one < reached or not _COLONS.match(text, one):
            continue
        start, end = one, other + 1
        while start > reached and text[start - 1] in _HEX and end - start <= _LONGEST_V6:
            start -= 1
        while end < len(text) and text[end] in _HEX and end - start <= _LONGEST_V6:
            end += 1
        reached = end
        shown = text[start:end]
        if shown.endswith(":") and not shown.endswith("::"):
            shown = shown[:-1]
        if _is_public(shown) and not _is_word(text[start - 1 : start]) and not _is_word(text[end : end + 1]):
            spans.append(Span(start, start + len(shown), "ip", shown.lower()))
    return spans


def _is_public(shown: str) -> bool:
    if (shown.count(":") < 7 and "::" not in shown) or len(shown) < 8:
        return False
    try:
        return ipaddress.IPv6Address(shown).is_global
    except ValueError:
        return False


def _is_word(sign: str) -> bool:
    return sign.isascii() and (sign.isalnum() or sign in ("_", "."))
