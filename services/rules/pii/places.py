"""Where in a page personal data may stand, told by its arrays: a look at each is dear, so there must be few.

The arrays are the measures' own (page.py), and those of several pages are looked at together: numpy's calls
cost more than what they do on a few kB.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from itertools import accumulate, pairwise
from operator import or_
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import (
    CLASS,
    COLON,
    CUE,
    DIGITS,
    LETTER,
    LOWER,
    PLATE,
    SECOND,
    SIGN_AT,
    UPPER,
)
from services.rules.page import Page
from services.rules.pii.hints import hinted
from services.rules.words import ACCOUNT, AT, NAME, SPELLED

LEAST = 7  # digits
_FEW = 160  # marks, up to which Python is faster than numpy's calls for one page
_GAP = 4  # from one digit to the next, of a run: three separators between them
_APART = np.zeros(_GAP, np.uint8)  # between two pages, so that no run goes on
_ANNOUNCED = {
    "email": AT, "phone": SPELLED, "name": NAME, "employee": ACCOUNT, "passport": ACCOUNT,
    "wechat": ACCOUNT,
}  # fmt: skip


# Of a character's class and mark, the marks of what it may follow, as far as they differ.
_AFTER_PLATE, _AFTER_CUE = PLATE & ~CUE, CUE & ~PLATE
_FOLLOWS = np.array(
    [
        (_AFTER_PLATE if sign & CLASS in (UPPER, LOWER, LETTER) else 0)
        | (_AFTER_CUE if SECOND <= sign < PLATE else 0)
        for sign in range(256)
    ],
    np.uint8,
)
_FOLLOWS_AS_BYTES = _FOLLOWS.tobytes()


class Marked(NamedTuple):
    """Where in a page something may begin.

    runs: start and end of what holds at least seven digits, each at most three signs behind the one before;
    Chinese characters for digits are some, too. cues: a number plate, or a word before an account, told by
    their first two signs. colons, ats: of either width.
    """

    runs: list[tuple[int, int]]
    cues: list[int]
    colons: list[int]
    ats: list[int]


def marked(pages: Sequence[Page]) -> list[Marked]:
    """What the marks of the pages' characters say."""
    if not pages:
        return []
    signs = _signs(pages)
    places = (signs >= CUE).nonzero()[0]
    marks = signs[places]
    if len(pages) == 1 and len(places) <= _FEW:
        return [_marked_by_few(signs.tobytes() + b"\0", places.tolist(), marks.tobytes())]
    starts = list(accumulate([page.size + len(_APART) for page in pages], initial=0))
    colons = _by_page(places[(marks >= COLON) & (marks < SIGN_AT)], starts)
    ats = _by_page(places[(marks >= SIGN_AT) & (marks < DIGITS)], starts)
    cues = _by_page(_beginnings(signs, places, marks), starts)
    found = [Marked([], *its) for its in zip(cues, colons, ats, strict=True)]
    for start, end in _runs(places[marks >= DIGITS]):
        number = bisect_right(starts, start) - 1
        found[number].runs.append((start - starts[number], end - starts[number]))
    return found


def _marked_by_few(signs: bytes, places: list[int], marks: bytes) -> Marked:
    """The same of one page. signs: and one more behind the last."""
    found = Marked([], [], [], [])
    digits: list[int] = []
    for place, mark in zip(places, marks, strict=True):
        if mark >= DIGITS:
            if digits and place - digits[-1] > _GAP:
                _add_run(found.runs, digits)
                digits = []
            digits.append(place)
        elif mark >= SIGN_AT:
            found.ats.append(place)
        elif mark >= COLON:
            found.colons.append(place)
        elif _FOLLOWS_AS_BYTES[signs[place + 1]] & mark:
            found.cues.append(place)
    _add_run(found.runs, digits)
    return found


def _add_run(runs: list[tuple[int, int]], digits: list[int]) -> None:
    if len(digits) >= LEAST:
        runs.append((digits[0], digits[-1] + 1))


def _beginnings(
    signs: NDArray[np.uint8], places: NDArray[np.int64], marks: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Where a sign is marked as the first of a beginning, and the next one fits; few are none."""
    are_cues = marks < COLON
    cues = places[are_cues]
    fits = _FOLLOWS.take(signs.take(cues + 1, mode="clip"))
    fits &= marks[are_cues]
    found: NDArray[np.int64] = cues[fits != 0]
    return found


def _signs(pages: Sequence[Page]) -> NDArray[np.uint8]:
    """The characters of one page, or of all with a little between."""
    if len(pages) == 1:
        return pages[0].characters
    return np.concatenate([part for page in pages for part in (page.characters, _APART)])


def _by_page(places: NDArray[np.int64], starts: list[int]) -> list[list[int]]:
    """What of the places is in each page, counted from its start."""
    if len(starts) == 2 or not len(places):
        return [places.tolist()] * (len(starts) - 1)
    bounds = places.searchsorted(starts)
    of_all = (places - np.repeat(starts[:-1], np.diff(bounds))).tolist()
    return [of_all[first:behind] for first, behind in pairwise(bounds.tolist())]


def _runs(digits: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Start and end of each run: of those between two gaps that are long enough, which are few."""
    if len(digits) < LEAST:
        return
    gaps = (digits[1:] - digits[:-1] > _GAP).nonzero()[0]
    bounds = np.concatenate(([-1], gaps, [len(digits) - 1]))
    runs = (bounds[1:] - bounds[:-1] >= LEAST).nonzero()[0]
    starts, ends = digits[bounds[runs] + 1], digits[bounds[runs + 1]] + 1
    yield from zip(starts.tolist(), ends.tolist(), strict=True)


@cache
def _wanted(kinds: frozenset[str]) -> int:
    return reduce(or_, (_ANNOUNCED.get(kind, 0) for kind in kinds), 0)


def announced(page: Page, kinds: frozenset[str], colons: Sequence[int]) -> dict[int, list[int]]:
    """By what it announces, where each such word of spaced ones begins. It may be another word.

    kinds: what is looked for. colons: where the page's are.
    """
    wanted = _wanted(kinds)
    if "known" not in vars(page):
        wanted &= hinted(page, colons)
    if not wanted or not page.bits & wanted:  # hashed only where hinted at
        return {}
    known, bits = page.known
    which = (bits & wanted).nonzero()[0]
    words = known[which]
    found: dict[int, list[int]] = {}
    spelled: list[tuple[int, int]] = []
    for word, bit, start in zip(
        words.tolist(), bits[which].tolist(), page.tokens[0][words].tolist(), strict=True
    ):
        if bit & SPELLED:
            spelled.append((word, start))
        for kind in (AT, NAME, ACCOUNT):
            if bit & kind:
                found.setdefault(kind, []).append(start)
    found[SPELLED] = [
        start for (word, start), (last, _) in zip(spelled, spelled[6:], strict=False) if last - word <= 8
    ]  # seven of nine words
    return found
