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
from string import ascii_letters
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import (
    ACCOUNT_WORDS,
    CLASS,
    COLON,
    CUE,
    DIGITS,
    LETTER,
    LOWER,
    MARK,
    PROVINCES,
    SECOND,
    UPPER,
)
from services.rules.page import Page
from services.rules.pii.hints import hinted
from services.rules.words import ACCOUNT, AT, NAME, SPELLED

LEAST = 7  # digits
_LETTERS = ascii_letters + "".join(chr(ord(letter) + 0xFEE0) for letter in ascii_letters)  # and full-width
_GAP = 3  # from one digit to the next, of a run: two separators between them
_APART = np.zeros(_GAP, np.uint8)  # between two pages, so that no run goes on
_PLATES = frozenset(province + letter for province in PROVINCES for letter in _LETTERS)
_ANNOUNCED = {
    "email": AT, "phone": SPELLED, "name": NAME, "employee": ACCOUNT, "passport": ACCOUNT,
    "wechat": ACCOUNT,
}  # fmt: skip
_BEGINNINGS = _PLATES.union(ACCOUNT_WORDS)


# Of a character's class and mark, whether it may be the second of a beginning.
_SECONDS = np.array(
    [(sign & CLASS) in (UPPER, LOWER, LETTER) or SECOND <= sign < COLON for sign in range(256)]
)


class Marked(NamedTuple):
    """Where in a page something may begin.

    runs: start and end of what holds at least seven digits, each at most two signs behind the one before;
    Chinese characters for digits are some, too. cues: a number plate's first two signs, or a word before an
    account. colons: of either width.
    """

    runs: list[tuple[int, int]]
    cues: list[int]
    colons: list[int]


def marked(pages: Sequence[Page]) -> list[Marked]:
    """What the marks of the pages' characters say."""
    if not pages:
        return []
    signs = _signs(pages)
    places = (signs >= CUE).nonzero()[0]
    marks = signs[places]
    starts = list(accumulate([page.size + len(_APART) for page in pages], initial=0))
    found = [Marked([], [], colons) for colons in _by_page(places[(marks & MARK) == COLON], starts)]
    for start, end in _runs(places[marks >= DIGITS]):
        number = bisect_right(starts, start) - 1
        found[number].runs.append((start - starts[number], end - starts[number]))
    cues = places[marks < COLON]
    if len(cues):
        cues = cues[_SECONDS.take(signs.take(cues + 1, mode="clip"))]
        for page, its, beginnings in zip(pages, found, _by_page(cues, starts), strict=True):
            its.cues.extend([at for at in beginnings if page.text[at : at + 2] in _BEGINNINGS])
    return found


def _signs(pages: Sequence[Page]) -> NDArray[np.uint8]:
    """The characters of one page, or of all with a little between."""
    if len(pages) == 1:
        return pages[0].characters
    return np.concatenate([part for page in pages for part in (page.characters, _APART)])


def _by_page(places: NDArray[np.int64], starts: list[int]) -> list[list[int]]:
    """What of the places is in each page, counted from its start."""
    if len(starts) == 2:
        return [places.tolist()]
    bounds = places.searchsorted(starts)
    of_all = (places - np.repeat(starts[:-1], np.diff(bounds))).tolist()
    return [of_all[first:behind] for first, behind in pairwise(bounds.tolist())]


def _runs(digits: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Start and end of each run: of those between two gaps that are long enough, which are few."""
    if len(digits) < LEAST:
        return
    gaps = (digits[1:] - digits[:-1] > _GAP).nonzero()[0].tolist()
    for before, last in pairwise([-1, *gaps, len(digits) - 1]):
        if last - before >= LEAST:
            yield int(digits[before + 1]), int(digits[last]) + 1


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
