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
_OPEN, _CLOSE = r"[\[({<（【]", r"[\])}>）】]"
_DOT = rf" ?{_OPEN} ?dot ?{_CLOSE} ?"
_LABEL, _ENDS = "[A-Za-z0-9-]{1,63}", "(?![A-Za-z0-9-])"
_HIDDEN = re.compile(
    rf"(?<![A-Za-z0-9._%+-])([A-Za-z0-9](?:[A-Za-z0-9._%+-]|{_DOT}){{0,63}}) ?{_OPEN} ?at ?{_CLOSE} ?"
    rf"({_LABEL}(?:(?:{_DOT}|\.){_LABEL}){{1,4}}){_ENDS}",
    re.IGNORECASE,
)
_SAID = re.compile(
    rf"(?<![A-Za-z0-9._%+-])([A-Za-z0-9][A-Za-z0-9._%+-]{{0,63}}(?: dot {_LABEL}){{0,2}})"
    rf" at ({_LABEL}(?: dot {_LABEL}){{1,4}}){_ENDS}",
    re.IGNORECASE,
)
_SPOKEN = re.compile(rf"at {_LABEL} dot ", re.IGNORECASE)
# Before an address in words, which else is where something is: "buy it at a shop dot com".
_ANNOUNCED = re.compile("mail|contact|reach|write|address|邮箱", re.IGNORECASE)
_IS_DOT = re.compile(rf"{_DOT}| dot ", re.IGNORECASE)
_OPENED = frozenset("[({<（【")
_WIDE = frozenset(chr(ord(sign) + 0xFEE0) for sign in _SIGNS_OF_LOCAL)  # of full width
# What a file is called and no domain is: icon@2x.png, getty@tty1.service.
_FILES = frozenset(
    re.findall(
        "[a-z]+",
        "png jpg jpeg gif webp svg css js ts json html py md txt pdf doc docx csv zip gz min service plt",
    )
)
# RFC 2606 and names that stand for a service: nobody's.
_NOBODYS = re.compile(r"(?:^git@|[@.]example\.(?:com|org|net)$|\.(?:example|test|invalid|localhost|local)$)")
_PROTOCOLS = ("@openssh.com", "@libssh.org")  # whose own algorithms are called so (RFC 4251, section 6)

_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
_HEX = frozenset("0123456789abcdefABCDEF:")
_LONGEST_V6 = 39
_BETWEEN = 5  # from one colon to the next


def emails(text: str, ats: Sequence[int]) -> list[Span]:
    """Addresses with @ or its full-width form. ats: where these are."""
    spans: list[Span] = []
    reached = 0
    for at in ats:
        found = _around(text, at, reached)
        if found is not None:
            spans.append(found)
            reached = found.end
    return spans


def hidden_emails(text: str, places: Sequence[int]) -> Iterator[Span]:
    """Addresses with words for signs: name [at] domain [dot] org, name at domain dot org.

    places: of each "at".
    """
    for place in places:
        is_bracketed = text[place - 1] in _OPENED or text[place - 2] in _OPENED
        if not (is_bracketed or _SPOKEN.match(text, place)):
            continue
        low, high = max(0, place - _LONGEST - 2), place + 256
        if is_bracketed:
            found = _HIDDEN.search(text, low, high)
        elif _is_announced(text, low, place):
            found = _SAID.search(text, low, high)
        else:
            continue
        if found is not None:
            value = "@".join(_IS_DOT.sub(".", part) for part in found.groups())
            yield Span(found.start(), found.end(), "email", value.lower())


def _is_announced(text: str, low: int, place: int) -> bool:
    """Capitals for the signs announce themselves."""
    return text.startswith("AT ", place) or _ANNOUNCED.search(text, low, place) is not None


def is_nobodys(address: str) -> bool:
    """Whether it stands for an address: of an example, a test, a version control system."""
    return _NOBODYS.search(address) is not None


def _around(text: str, at: int, low: int) -> Span | None:
    before = text[max(low, at - _LONGEST) : at]
    domain = _DOMAIN.match(text, at + 1, at + 256)
    behind = at + 1 if domain is None else domain.end()
    if before[-1:] in _WIDE or text[behind : behind + 1] in _WIDE:
        before, domain = fold(before), _DOMAIN.match(fold(text[at + 1 : at + 256]))
    if domain is None or domain[1].lower() in _FILES:
        return None
    local = before[len(before.rstrip(_SIGNS_OF_LOCAL)) :].lstrip("_%+&.-")
    end = at + 1 + len(domain[0])
    if not local or ".." in local or (local == "git" and text.startswith(":", end)):
        return None
    address = f"{local}@{domain[0]}".lower()
    if "-" in local and address.endswith(_PROTOCOLS):
        return None
    return Span(at - len(local), end, "email", address)


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
        if text[start] == ":" or _is_word(text[start - 1 : start]):  # of a name before it: ip:2001:db8::1
            start = text.index(":", start) + (text[start : start + 2] != "::")
        shown = text[start:end]
        if shown.endswith(":") and not shown.endswith("::"):
            shown = shown[:-1]
        if _is_public(shown) and not _is_word(text[start - 1 : start]) and not _goes_on(text[end : end + 2]):
            spans.append(Span(start, start + len(shown), "ip", shown.lower()))
    return spans


def _is_public(shown: str) -> bool:
    if (shown.count(":") < 7 and "::" not in shown) or len(shown) < 8:
        return False
    groups = [group for group in shown.split(":") if group]
    if len(groups) < 3 or all(len(group) == 2 for group in groups):  # of a network, a key's fingerprint
        return False
    try:
        return ipaddress.IPv6Address(shown).is_global
    except ValueError:
        return False


def _goes_on(behind: str) -> bool:
    return _is_word(behind[:1]) or (behind[:1] == "." and _is_word(behind[1:]))


def _is_word(sign: str) -> bool:
    return sign.isascii() and (sign.isalnum() or sign == "_")
