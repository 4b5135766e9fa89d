"""Numbers that belong to a person, in the runs of digits of a text.

A run is at least seven digits with at most two separators between any two. Each is looked at once, from each
of its groups of digits at most a few patterns of bounded length: linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from services.rules.characters import HAN_DIGITS
from services.rules.pii.called import EMPLOYEE, LICENCE, PASSPORT, PHONE, REACH, WECHAT
from services.rules.pii.checksums import is_card, is_iban, is_id_card
from services.rules.pii.digits import fold, fold_han
from services.rules.pii.places import LEAST
from services.rules.pii.shapes import GROUP, SHAPES, Shape
from services.rules.pii.span import Span

_AFTER = 16
_MANY = 50  # digits; more are as many
_MARKS = r" \-‐‑‒–—－.．·•()（）\u3000\u2060\xa0\u2009\u202f\u200b"
_RUN = re.compile(rf"[0-9０-９](?:[{_MARKS}]{{0,2}}[0-9０-９]){{6,}}")
_RUN_OF_HAN = re.compile(rf"[{HAN_DIGITS}0-9０-９](?:[ \-－.·、]?[{HAN_DIGITS}0-9０-９]){{10,19}}[xXＸｘ]?")
_HAN_DIGIT = re.compile(f"[{HAN_DIGITS}]")
_LETTERS = re.compile(r"(?<![a-z0-9_])[a-z0-9]{1,10}$")
_TOKEN = re.compile(r"[0-9A-Za-z]*")


def numbers(text: str, start: int, end: int) -> list[Span]:
    """What is found in the runs of digits there, in order; spans of one run do not overlap."""
    found: list[Span] = []
    at = start
    while end - at >= LEAST and (run := _RUN.search(text, at, end)) is not None:
        at = run.end()
        found += _in_run(text, run.start(), at)
    return found if text[start:end].isascii() else [*found, *_spelled_in_han(text, start, end)]


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
    low = max(0, start - REACH)
    near = max(low, start - 2)
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


def _at(window: str, at: int, size: int, left: int) -> tuple[int, int, str, str] | None:
    """The number whose first group of digits, of this size, begins here. left: signs up to the run's end."""
    before = window[max(0, at - REACH) : at].lower()
    opened = at
    while opened and at - opened < 2 and window[opened - 1] in "+(":
        opened -= 1
    last = window[at - 1 : at]
    if last.isascii() and (last.isalpha() or last == "_"):
        return _behind_letters(window, at, before)
    alone = (at,)
    begins = alone if opened == at else tuple(range(opened, at + 1))
    for shape in _shapes_of(min(size, _MANY), min(left, _MANY)):
        if shape.name is not None and not shape.name.calls(before):
            continue
        for begin in begins if shape.is_open else alone:
            found = shape.pattern.match(window, begin)
            if found is None:
                continue
            shown = found[0]
            value = shown if shape.kind == "ip" or shown.isdigit() else _digits(shown)
            if _is_closed(shown) and shape.is_right(shown, value, before, window[found.end() :]):
                return begin, found.end(), shape.kind, shape.same(value)
    return None


def _is_closed(shown: str) -> bool:
    return shown.count("(") == shown.count(")")


def _digits(shown: str) -> str:
    return "".join(GROUP.findall(shown)) + ("X" if shown[-1] in "xX" else "")


@cache
def _shapes_of(size: int, left: int) -> list[Shape]:
    """What a number may be whose first group has this size, with so many signs up to its run's end."""
    return [shape for shape in SHAPES if shape.first[0] <= size <= shape.first[1] and left >= shape.least]


def _behind_letters(window: str, at: int, before: str) -> tuple[int, int, str, str] | None:
    """A number with letters in front: an account, a passport, or one that its name touches."""
    letters = _LETTERS.search(before)
    digits = _TOKEN.match(window, at)
    if letters is None or digits is None:
        return None
    stop, begin = digits.end(), at - len(letters[0])
    token, cue = window[begin:stop], window[max(0, begin - REACH) : begin].lower()
    if is_iban(token):
        return begin, stop, "iban", token.upper()
    for kind, name, size in (
        ("passport", PASSPORT, 9),
        ("licence", LICENCE, 20),
        ("employee", EMPLOYEE, 16),
    ):
        if len(token) <= size and name.calls(cue):
            return begin, stop, kind, token.upper()
    if stop > at and window[at:stop].isdigit():
        return _named(window, at, stop, before)
    return None


def _named(window: str, at: int, stop: int, before: str) -> tuple[int, int, str, str] | None:
    value = window[at:stop]
    for kind, name, low, high in (
        ("wechat", WECHAT, 6, 20), ("phone", PHONE, 7, 15), ("employee", EMPLOYEE, 3, 12),
    ):  # fmt: skip
        if low <= len(value) <= high and name.calls(before, gap=0):
            return at, stop, kind, value
    return None
