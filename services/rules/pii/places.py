"""Where in a page personal data may stand, told by its arrays: a look at each is dear, so there must be few.

The arrays are the measures' own (page.py), so that a page without digits, @ or words for them costs some ten
steps of numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.rules.page import DIGIT, HAN, LOWER, NUM_POINTS, UPPER, Page
from services.rules.pii.digits import HAN_DIGITS
from services.rules.words import ACCOUNT, AT, NAME, PERSONAL, SPELLED

LEAST = 7  # digits
_GAP = 3  # from one digit to the next, of a run: two separators between them
PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"

# Chinese words before an account, a number of an employee, a passport.
ACCOUNT_WORDS = frozenset(
    ("微信", "加v", "加V", "加w", "加W", "工号", "员工", "职工", "工牌", "护照", "護照")
)

DIGITS, PROVINCE, CUES = 1, 2, 4  # bits of a mark; cues: a colon, or how one of these words begins


class Marked(NamedTuple):
    """What of a page's characters may begin or belong to something: places [n] and their bits, uint8 [n]."""

    places: NDArray[np.int64]
    kinds: NDArray[np.uint8]

    def of(self, kind: int) -> NDArray[np.int64]:
        """Where those of a kind, or of one of several, stand."""
        return self.places[(self.kinds & kind).nonzero()[0]]


def marked(page: Page) -> Marked:
    """One look-up of each character for all that a Chinese text may hold; of others the digits."""
    if not page.counts[HAN]:
        places = (page.classes == DIGIT).nonzero()[0]
        return Marked(places, np.full(len(places), DIGITS, np.uint8))
    kinds = _marks().take(page.points, mode="clip")
    places = (kinds != 0).nonzero()[0]
    return Marked(places, kinds[places])


def runs_of_digits(marks: Marked) -> Iterator[tuple[int, int]]:
    """Start and end of what holds at least seven digits, each at most two signs behind the one before.

    Chinese characters for digits are some, too.
    """
    return _clusters(marks.of(DIGITS), LEAST)


def plates(page: Page, marks: Marked) -> list[int]:
    """Where a character for a province stands before a capital."""
    if not page.counts[UPPER]:
        return []
    text = page.text
    return [place for place in marks.of(PROVINCE).tolist() if "A" <= text[place + 1 : place + 2] <= "Z"]


def announced(page: Page) -> dict[int, list[int]]:
    """By what it announces, where each such word of a page in spaced words begins. It may be another word."""
    if not page.bits & PERSONAL or page.counts[LOWER] + page.counts[UPPER] <= page.counts[HAN]:
        return {}
    found = {kind: page.starts_of(kind) for kind in (SPELLED, AT, NAME, ACCOUNT) if page.bits & kind}
    if SPELLED in found:
        known, bits = page.known
        spelled = known[(bits & SPELLED).nonzero()[0]]
        found[SPELLED] = page.tokens[0][spelled[:-6][spelled[6:] - spelled[:-6] <= 8]]  # seven of nine words
    return {kind: starts.tolist() for kind, starts in found.items()}


def places_of(word: str, text: str) -> Iterator[int]:
    """Where a word begins."""
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _clusters(places: NDArray[np.int64], least: int) -> Iterator[tuple[int, int]]:
    reach = least - 1
    if len(places) < least or not (places[reach:] - places[:-reach] <= _GAP * reach).any():
        return
    ordered = places.tolist()
    start = last = ordered[0]
    number = 0
    for place in [*ordered, ordered[-1] + _GAP + 1]:
        if place - last > _GAP:
            if number >= least:
                yield start, last + 1
            start, number = place, 0
        number += 1
        last = place


@cache
def _marks() -> NDArray[np.uint8]:
    table = np.zeros(NUM_POINTS, np.uint8)
    for mark, signs in (
        (DIGITS, HAN_DIGITS + "0123456789０１２３４５６７８９"),
        (PROVINCE, PROVINCES),
        (CUES, ":：" + "".join(word[0] for word in ACCOUNT_WORDS)),
    ):
        table[[ord(sign) for sign in signs]] |= mark
    return table
