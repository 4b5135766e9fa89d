"""The shapes of numbers, each with what makes it one of that kind: a check digit, a separator, its name.

Patterns are for text whose digits and marks are folded to ASCII. None begins inside a longer number, a
decimal or a word.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from string import ascii_lowercase, digits
from typing import NamedTuple

from services.rules.pii.called import (
    CARD,
    ID,
    PHONE,
    PHONE_BEHIND,
    SSN,
    VERSION,
)
from services.rules.pii.checksums import is_card, is_id_card, is_luhn

# Of what is shown, its digits, what stands before (in lower case) and behind.
IsRight = Callable[[str, str, str, str], bool]
Match = Callable[[str, int], re.Match[str] | None]

GROUP = re.compile(r"[0-9]+")

# What bounds a number on the left and right.
_S = "[ -]?"
_GAP = "[ ._-]{0,2}"
_L = r"(?<![0-9A-Za-z_])(?<![0-9][.\-])"
_R = r"(?![0-9A-Za-z_])(?![.\-]?[0-9])"
_ID = re.compile(
    rf"{_L}[1-9][0-9]{{2}}{_S}[0-9]{{3}}{_S}(?:18|19|20)[0-9]{{2}}{_S}(?:0[1-9]|1[0-2]){_S}(?:0[1-9]|[12][0-9]|3[01])"
    rf"{_S}[0-9]{{3}}(?:[0-9](?![0-9A-Za-z_])|[xX](?![0-9A-Za-z_]))"
    # in groups of four, as of a card
    rf"|{_L}[1-9][0-9]{{3}}([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}\1[0-9][0-9xX](?![0-9A-Za-z_])"
)
_OLD_ID = re.compile(rf"{_L}[1-9][0-9]{{7}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{{3}}{_R}")
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IP = re.compile(  # a hyphen goes on to another address or to what makes it a version
    rf"(?<![0-9A-Za-z_.])(?:{_BYTE}\.){{3}}{_BYTE}(?![0-9A-Za-z_]|\.[0-9]|-(?!(?:{_BYTE}\.){{3}})[0-9])"
)
_SSN = re.compile(rf"{_L}(?!000|666|9)[0-9]{{3}}( - |[ .-]?)(?!00)[0-9]{{2}}\1(?!0000)[0-9]{{4}}{_R}")
_CARD = re.compile(
    rf"{_L}(?:[0-9]{{12,19}}|[0-9]{{4}}([ .-]{{1,2}})(?:[0-9]{{3,6}}\1){{1,3}}[0-9]{{1,6}}"
    rf"|[0-9]{{6}}[ -][0-9]{{8,13}}){_R}"
)
_ITS_WORD = "(?:(?i:x|ext(?:ension|n)?[.]?:?) ?|#|转(?:分机)?|分机号?[:：]? ?)"
_EXTENSION = rf"(?:,? ?{_ITS_WORD}[0-9]{{1,6}}| ?\({_ITS_WORD}[0-9]{{1,6}}\)|-[0-9]{{2,5}}(?![0-9-]))?"
_MOBILE = re.compile(  # in mainland China
    rf"(?<![0-9A-Za-z_+])(?<![0-9][.\-])(?:\(?(?:\+|00)?86\)?[ -]{{0,2}})?1[3-9][0-9]"
    rf"(?:{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}|[0-9]{_GAP}[0-9]{{3}}{_GAP}[0-9]{{4}}"
    r"|[ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{5})"
    rf"{_R}(?! ?(?:[元万亿吨]|美元|%|人民币|字节|(?:bytes?|[KMG]i?B|bits?|ms|rows)\b))"
)
_SPACED_OUT = re.compile(r"(?<![0-9A-Za-z_])1([ .-]{1,2})[3-9](?:\1[0-9]){9}(?![0-9A-Za-z_]|[ .-]{1,2}[0-9])")
_LANDLINE = re.compile(
    rf"(?<![0-9A-Za-z_])(?<![0-9][.\-])(?:(?:\+|00)?86[ -]?)?(?:\(0(?:10|2[0-9]|[3-9][0-9]{{2}})\)[ -]?"
    rf"|(?:0|(?<=86)|(?<=86[ -]))(?:10|2[0-9]|[3-9][0-9]{{2}})(?:[ -]{{1,2}}|/))[0-9]{{3,4}}[ -]?[0-9]{{4}}"
    rf"{_EXTENSION}(?![0-9A-Za-z_])"
)
_COUNTRY = (  # codes of ITU-T E.164
    r"(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-689][0-9]|3[578][0-9]|42[013]|5[09][0-9]|6[7-9][0-9]|8[05-9][0-9]|9[679][0-9])"
)
_ABROAD = re.compile(
    rf"(?<![0-9A-Za-z_)\]])(?:\+{_COUNTRY}|\(\+{_COUNTRY}\))"
    rf"(?:(?: ?/ ?|[ .-]{{0,2}})(?:\([0-9]{{1,5}}\)|[0-9]{{1,5}})){{2,6}}{_EXTENSION}(?![0-9A-Za-z_])"
)
_AMERICAN = re.compile(
    rf"(?<![0-9A-Za-z_])(?<![0-9][.\-])(?:1[-. ])?(?:\( ?[2-9][0-9]{{2}} ?\) ?-?|[2-9][0-9]{{2}}([-. ]))"
    rf"[0-9]{{3}}(?(1)\1|(?:[-. ]| - ))[0-9]{{4}}{_EXTENSION}(?![0-9A-Za-z_])(?![.\-]?[0-9])"
)
_SERVICE = re.compile(rf"{_L}[48]00(?:(-?)[0-9]{{3,4}}\1[0-9]{{3,4}}|-[0-9]{{7}}){_R}{_EXTENSION}")
_CALLED = re.compile(  # what is called a phone number may be of any country
    rf"(?<![0-9A-Za-z_])(?<![0-9][.\-])(?:\([0-9]{{1,15}}\)|[0-9]{{1,15}})"
    r"(?:(?: - | ?/ ?|[ .-]{1,2}|(?<=\))|(?=\())(?:\([0-9]{1,8}\)|[0-9]{1,10})){0,5}"
    rf"{_EXTENSION}(?![0-9A-Za-z_])"
)
_EXTENDED = re.compile("[a-zA-Z#转分]")
# Dates and times, addresses of IP, decimals with a fraction that no exchange is written as.
_NO_PHONE = re.compile(
    r"(?:19|20)[0-9]{2}[-./ ]{1,2}(?:(?:19|20)[0-9]{2}|(?:0?[1-9]|1[0-2])[-./ ][0-9]{1,2})$"
    r"|[0-9]{1,2}[-./ ][0-9]{1,2}[-./ ](?:19|20)[0-9]{2}"
    r"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])$"
    r"|(?:19|20)[0-9]{2}[-./](?:0?[1-9]|1[0-2])[-./][0-9]{1,2}(?![0-9])"
    r"|(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/|$)|[0-9]{1,4}/[0-9]{1,4}$|(?![0-9]{3}\.[0-9]{4}$)[0-9]+\.[0-9]+$"
)
# The path of an address or its last name, in hyphens; a value in a program or a log. What stands there is
# a key, a size or a time of day, unless it is called something else.
_IN_PATH = re.compile(
    r"(?:[a-z][a-z0-9.@_%+~-]*/[a-z0-9._~%=&?+/@-]*|(?:[a-z0-9]+-){2,}|[a-z0-9_\"'\]]=|[?&][a-z_]+=)$"
)
_PATH_SIGNS = frozenset(ascii_lowercase + digits + "._~%=&?+/@-")
# The day of a file in a diff, a difference in decimals.
_NOT_ABROAD = re.compile(r"\+(?:(?:19|20)[0-9]{2}-[01]?[0-9]-|[0-9]{4,}\.|[0-9]+\.[0-9]+ [0-9]+\.)")
# A placeholder is a number's: what is masked stays so when it is masked again.
_BEHIND_NUMBER = re.compile("(?:[0-9]|_[0-9]{1,4}>) {1,9}$")
_BEFORE_NUMBER = re.compile(" {0,9}(?:[0-9]|<[A-Z_]+_[0-9])")


# What is no one's on the Internet: special-purpose networks (RFC 6890), as first and last address.
_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
_SPECIAL = [(int(network[0]), int(network[-1])) for network in map(ipaddress.IPv4Network, _NETWORKS)]
_SPECIAL_FIRSTS = frozenset(part for first, last in _SPECIAL for part in range(first >> 24, (last >> 24) + 1))


def _is_in_path(before: str) -> bool:
    return before[-1:] in _PATH_SIGNS and _IN_PATH.search(before) is not None


def _is_public(shown: str, _value: str, before: str, _after: str) -> bool:
    """An address of the Internet. Numbers of sections and versions are small, or called so."""
    numbers = bytes(map(int, shown.split(".")))
    if max(numbers) < 32:
        return False
    if numbers[0] in _SPECIAL_FIRSTS:
        address = int.from_bytes(numbers)
        if any(first <= address <= last for first, last in _SPECIAL):
            return False
    return not VERSION.calls(before)


def _is_id(_shown: str, value: str, _before: str, _after: str) -> bool:
    return is_id_card(value)


def _is_old_id(_shown: str, value: str, before: str, _after: str) -> bool:
    return is_id_card(value) and ID.calls(before)


def _is_ssn(shown: str, _value: str, before: str, _after: str) -> bool:
    return (shown.count("-") == 2 and " " not in shown) or SSN.calls(before)


def _is_bank_card(shown: str, value: str, before: str, after: str) -> bool:
    if not 12 <= len(value) <= 19:
        return False
    is_alone = not (_is_in_path(before) or _is_in_columns(shown, before, after))
    if is_card(value) and is_alone:
        return True
    if not CARD.calls(before):
        return False
    return (
        is_card(value)
        or is_luhn(value)
        or (len(value) >= 16 and any(sign > "\u2e80" for sign in before[-8:]))
    )


def _is_phone(shown: str, value: str, before: str, after: str) -> bool:
    if not 7 <= len(value) <= 20 or value.startswith("00000") or _NO_PHONE.match(shown):
        return False
    is_value = before[-1:] == "="  # whose key may be its name
    if _is_in_path(before) and not (is_value and PHONE.calls(before, gap=1)):
        return False
    if not PHONE.calls(before) and PHONE_BEHIND.match(after) is None:
        return False
    return sum(map(len, GROUP.findall(_EXTENDED.split(shown, maxsplit=1)[0]))) <= 15


def _is_mobile(shown: str, value: str, before: str, after: str) -> bool:
    """Among columns of numbers, groups with spaces between them are no phone, unless they are called so."""
    if before[-1:] == "$" or after[:1] == "$":  # a formula
        return False
    if not shown.isdigit() and _NO_PHONE.match(shown):
        return False
    if _is_in_path(before):
        return PHONE.calls(before)
    if " " not in shown:
        return True
    if shown.count("  ") != 1 and not _is_in_columns(shown.removeprefix("+86 "), before, after):
        return True
    return _is_phone(shown, value, before, after)


def _is_in_columns(shown: str, before: str, after: str) -> bool:
    """Whether it is groups with spaces between them, and more such stand around."""
    if " " not in shown:
        return False
    return _BEHIND_NUMBER.search(before) is not None or _BEFORE_NUMBER.match(after) is not None


def _is_landline(shown: str, value: str, before: str, after: str) -> bool:
    if len(value) > 21 or ("/" in shown and _is_in_path(before)):
        return False
    return not _is_in_columns(shown, before, after) or PHONE.calls(before)


def _is_abroad(shown: str, value: str, _before: str, _after: str) -> bool:
    return 8 <= len(value) <= 20 and not _NOT_ABROAD.match(shown)


def _is_american(shown: str, value: str, before: str, after: str) -> bool:
    """By hyphens or brackets at once; by dots where its exchange is one (2-9); else if called so."""
    if "-" in shown or "(" in shown:
        return True
    return (shown.count(".") == 2 and value[-7] in "23456789") or _is_phone(shown, value, before, after)


def _is_service(shown: str, value: str, before: str, after: str) -> bool:
    return len(value) >= 10 and ("-" in shown or _is_phone(shown, value, before, after))


class Shape(NamedTuple):
    """first: digits, least and most, before its first separator. least: digits of the whole, on one run.

    begins: its first digit, where none opens it. Those three are milder than the pattern: they spare trying
    what cannot match. is_open: may begin with + or (. same: its digits as they are however it is written.
    """

    kind: str
    match: Match
    is_right: IsRight
    first: tuple[int, int]
    least: int
    begins: str = digits
    is_open: bool = False
    same: Callable[[str], str] = str


def _at_home(value: str) -> str:
    """Of a number in China, with the country's or not; an area's begins with 0."""
    value = value.removeprefix("00")
    return value if not value.startswith("86") else "0" + value[2:].removeprefix("0")


def _in_america(value: str) -> str:
    return value.removeprefix("1")


SHAPES = (
    Shape("id_card", _ID.match, _is_id, (3, 18), 17, "123456789"),
    Shape("ip", _IP.match, _is_public, (1, 3), 4),
    Shape("ssn", _SSN.match, _is_ssn, (3, 9), 9, "012345678"),
    Shape("bank_card", _CARD.match, _is_bank_card, (4, 19), 12),
    Shape("id_card", _OLD_ID.match, _is_old_id, (15, 15), 15, "123456789"),
    Shape(
        "phone", _MOBILE.match, _is_mobile, (2, 15), 11, "018", is_open=True, same=lambda value: value[-11:]
    ),
    Shape("phone", _SPACED_OUT.match, _is_phone, (1, 1), 11, "1"),
    Shape("phone", _LANDLINE.match, _is_landline, (2, 20), 1, "08", is_open=True, same=_at_home),
    Shape("phone", _SERVICE.match, _is_service, (3, 11), 9, "48"),
    Shape("phone", _ABROAD.match, _is_abroad, (1, 50), 1, "", is_open=True, same=_in_america),
    Shape("phone", _AMERICAN.match, _is_american, (1, 3), 1, "123456789", is_open=True, same=_in_america),
    Shape("phone", _CALLED.match, _is_phone, (1, 15), 1, is_open=True),
)
