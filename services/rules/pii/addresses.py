"""E-mail addresses and addresses of IP version 6, each found from the sign that none is without."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator, Sequence

from services.rules.pii.digits import fold
from services.rules.pii.places import places_of
from services.rules.pii.span import Span

_LONGEST = 64  # characters before the @ (RFC 5321)
_SIGNS_OF_LOCAL = string.ascii_letters + string.digits + "_%+&.-"
_LOCAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_%+&-]|\.(?!\.)){0,63}")
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


def emails(text: str) -> Iterator[Span]:
    """Addresses with @ or its full-width form."""
    reached = 0
    for sign in "@＠":
        for place in places_of(sign, text):
            found = _around(text, place, reached)
            if found is not None:
                yield found
                reached = found.end
        reached = 0


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
    if _WIDE.match(before[-1:]) or _WIDE.match(behind):
        before, behind = fold(before), fold(behind)
    local = _LOCAL.fullmatch(before[len(before.rstrip(_SIGNS_OF_LOCAL)) :].lstrip("_%+&.-"))
    domain = _DOMAIN.match(behind)
    if local is None or domain is None or domain[1].lower() in _FILES:
        return None
    value = f"{local[0]}@{domain[0]}".lower()
    return Span(at - len(local[0]), at + 1 + domain.end(), "email", value)


def addresses_of_version_6(text: str) -> Iterator[Span]:
    """Public ones; times of day and names in code have colons as well."""
    reached = 0
    for colons in _COLONS.finditer(text):
        if colons.start() < reached:
            continue
        start, end = colons.start(), colons.end()
        while start > reached and text[start - 1] in _HEX and end - start <= _LONGEST_V6:
            start -= 1
        while end < len(text) and text[end] in _HEX and end - start <= _LONGEST_V6:
            end += 1
        reached = end
        shown = text[start:end]
        if shown.endswith(":") and not shown.endswith("::"):
            shown = shown[:-1]
        if _is_public(shown) and not _is_word(text[start - 1 : start]) and not _is_word(text[end : end + 1]):
            yield Span(start, start + len(shown), "ip", shown.lower())


def _is_public(shown: str) -> bool:
    if (shown.count(":") < 7 and "::" not in shown) or len(shown) < 8:
        return False
    try:
        return ipaddress.IPv6Address(shown).is_global
    except ValueError:
        return False


def _is_word(sign: str) -> bool:
    return sign.isascii() and (sign.isalnum() or sign in ("_", "."))
