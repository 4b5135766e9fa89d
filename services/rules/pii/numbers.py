"""Numbers that belong to a person, in the runs of digits of a text.

A run is at least seven digits with at most three separators between any two. Each is looked at once, from
each of its groups of digits at most a few patterns of bounded length: linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from string import ascii_lowercase

from services.rules.characters import HAN_DIGITS
from services.rules.pii.called import LICENCE, PHONE, REACH, WECHAT
from services.rules.pii.checksums import is_card, is_iban, is_id_card
from services.rules.pii.digits import fold, fold_han
from services.rules.pii.places import LEAST
from services.rules.pii.shapes import GROUP, SHAPES, IsRight, Match
from services.rules.pii.span import Span

_AFTER = 20
_MANY = 50  # digits; more are as many
_MARKS = r" /_\-‐‑‒–—－.．·•()（）\u3000\u2060\xa0\u2009\u202f\u200b"
_RUN = re.compile(rf"[0-9０-９](?:[{_MARKS}]{{0,3}}[0-9０-９]){{6,}}")
_RUN_OF_HAN = re.compile(rf"[{HAN_DIGITS}0-9０-９](?:[ \-－.·、]?[{HAN_DIGITS}0-9０-９]){{10,19}}[xXＸｘ]?")
_HAN_DIGIT = re.compile(f"[{HAN_DIGITS}]")
_LETTERS = re.compile(r"(?<![a-z0-9_])[a-z0-9]{1,10}$")
_TOKEN = re.compile(r"[0-9A-Za-z]*")
_LONGEST_LICENCE = 20
_GROUPED = re.compile(
    "(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ -][A-Z0-9]{4}){2,7}(?:[ -][A-Z0-9]{1,4})?(?![A-Za-z0-9])"
)
# The first groups of an account, the bank's of letters or with one: NL91 ABNA 0417...
_BANK = re.compile("[a-z]{2}[0-9]{2}([ -])[a-z]{4}\\1")
_SIZE_OF_BANK, _SIZE_OF_COUNTRY = 10, 5
_OF_WORDS, _OPENS, _PARTS = frozenset(ascii_lowercase + "_"), frozenset("+("), frozenset(" -")

_Found = tuple[int, int, str, str]  # start and end in the window, kind, value
_Tried = tuple[str, Match, IsRight, bool, Callable[[str], str]]  # of a shape


def numbers(text: str, start: int, end: int) -> list[Span]:
    """What is found in the runs of digits there, in order; spans of one run do not overlap."""
    piece = text[start:end]
    if not piece.isascii():
        return [*_in_runs(text, start, end), *_spelled_in_han(text, start, end)]
    return _in_run(text, start, end) if piece.isdigit() else _in_runs(text, start, end)


def _in_runs(text: str, start: int, end: int) -> list[Span]:
    found: list[Span] = []
    while end - start >= LEAST and (run := _RUN.search(text, start, end)) is not None:
        first, start = run.span()
        found += _in_run(text, first, start)
    return found


def _spelled_in_han(text: str, start: int, end: int) -> Iterator[Span]:
    """Phone and card numbers in Chinese characters, mixed with digits or not; a run is one or none."""
    if not _HAN_DIGIT.search(text, start, end):
        return
    for run in _RUN_OF_HAN.finditer(text, start, end + 1):  # an X may follow
        if _HAN_DIGIT.search(run[0]):
            digits = _digits(fold_han(run[0]))
            for kind, size, is_right in (
                ("phone", 11, lambda number: number[0] == "1" and number[1] in "3456789"),
                ("id_card", 18, is_id_card),
                ("bank_card", len(digits), is_card),
            ):
                if len(digits) == size and is_right(digits):
                    yield Span(run.start(), run.end(), kind, digits)
                    break


def _in_run(text: str, start: int, end: int) -> list[Span]:
    """Every number of a run. The window is the run with a little of what stands around it, folded."""
    low = start - REACH if start > REACH else 0
    near = start - 2 if start > low + 2 else low
    window = text[low:near] + fold(text[near : end + _AFTER])
    at, last = start - low, end - low
    spans: list[Span] = []
    while at < last and (group := GROUP.search(window, at, last)) is not None:
        begin, at = group.span()
        found = _at(window, begin, at - begin, last - begin)
        if found is not None:
            first, at, kind, value = found
            spans.append(Span(low + first, low + at, kind, value))
    return spans


def _at(window: str, at: int, size: int, left: int) -> _Found | None:
    """The number whose first group of digits, of this size, begins here. left: signs up to the run's end."""
    before = window[at - REACH if at > REACH else 0 : at].lower()
    last = before[-1:]
    if last in _OF_WORDS:
        return _behind_letters(window, at, before)
    alone: Sequence[int] = (at,)
    begins = alone
    if last in _PARTS:
        if _BANK.match(before, len(before) - _SIZE_OF_BANK) and (
            account := _iban_in_groups(window, at - _SIZE_OF_BANK)
        ):
            return account
        if before[-2:] == "( ":
            begins = range(at - 2, at + 1)
    elif last in _OPENS:
        begins = range(at - 2 if before[-2:-1] in _OPENS else at - 1, at + 1)
    for kind, match, is_right, is_open, same in _shapes_of(
        size if size < _MANY else _MANY, left if left < _MANY else _MANY, window[at], begins is not alone
    ):
        for begin in begins if is_open else alone:
            found = match(window, begin)
            if found is None:
                continue
            shown = value = found[0]
            if not shown.isdigit():
                if shown.count("(") != shown.count(")"):
                    continue
                if kind != "ip":
                    value = _digits(shown)
            if is_right(shown, value, before, window[found.end() :]):
                return begin, found.end(), kind, same(value)
    return None


def _digits(shown: str) -> str:
    return "".join(GROUP.findall(shown)) + ("X" if shown[-1] in "xX" else "")


@cache
def _shapes_of(size: int, left: int, first: str, is_opened: bool) -> list[_Tried]:
    """What a number may be whose first group has this size, with so many signs up to its run's end.

    first: its first digit. is_opened: + or ( stands before it.
    """
    return [
        (shape.kind, shape.match, shape.is_right, shape.is_open, shape.same)
        for shape in SHAPES
        if shape.first[0] <= size <= shape.first[1]
        and left >= shape.least
        and (first in shape.begins or (is_opened and shape.is_open))
    ]


def _behind_letters(window: str, at: int, before: str) -> _Found | None:
    """A number with letters in front: an account, a licence, or one that its name touches."""
    letters = _LETTERS.search(before)
    digits = _TOKEN.match(window, at)
    if letters is None or digits is None:
        return None
    stop, begin = digits.end(), at - len(letters[0])
    token = window[begin:stop]
    for account in (
        _iban(window, begin, stop),
        _iban_in_groups(window, begin),
        _iban_in_groups(window, max(0, begin - _SIZE_OF_COUNTRY)),
    ):
        if account is not None:
            return account
    if len(token) <= _LONGEST_LICENCE and LICENCE.calls(window[max(0, begin - REACH) : begin].lower()):
        return begin, stop, "licence", token.upper()
    if stop > at and window[at:stop].isdigit():
        return _named(window, at, stop, before)
    return None


def _iban(window: str, begin: int, end: int) -> _Found | None:
    value = "".join(filter(str.isalnum, window[begin:end])).upper()
    return (begin, end, "iban", value) if is_iban(value) else None


def _iban_in_groups(window: str, begin: int) -> _Found | None:
    """An account in groups of four."""
    grouped = _GROUPED.match(window, begin)
    return None if grouped is None else _iban(window, begin, grouped.end())


def _named(window: str, at: int, stop: int, before: str) -> _Found | None:
    value = window[at:stop]
    for kind, name, low, high in (("wechat", WECHAT, 6, 20), ("phone", PHONE, 7, 15)):
        if low <= len(value) <= high and name.calls(before, gap=0):
            return at, stop, kind, value
    return None
