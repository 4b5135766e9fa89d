"""Where in a page personal data may stand, told by its arrays: a look at each is dear, so there must be few.

The arrays are the measures' own (page.py), so that a page without digits, @ or words for them costs some ten
steps of numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from services.rules.page import DIGIT, HAN, LOWER, NUM_POINTS, UPPER, Page
from services.rules.pii.digits import HAN_DIGITS, WORDS

LEAST, LEAST_OF_HAN = 7, 11  # digits
_GAP = 3  # from one digit to the next, of a run: two separators between them
PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"

# English words that announce something, by what: one look-up tells those of a page.
_ANNOUNCING = {
    1: tuple(WORDS),
    2: ("at",),
    3: ("name", "cardholder", "attn"),
    4: ("employee", "staff", "badge", "passport", "wechat", "weixin", "wx", "vx"),
}
SPELLED, AT, NAME, ACCOUNT = _ANNOUNCING
_NUM_HASHES = 1 << 16


def runs_of_digits(page: Page) -> Iterator[tuple[int, int]]:
    """Start and end of what holds at least seven digits, each at most two signs behind the one before."""
    digits = np.flatnonzero(page.classes == DIGIT)
    yield from _clusters(digits, LEAST)


def runs_with_han(page: Page) -> Iterator[tuple[int, int]]:
    """The same of at least eleven digits, some of them Chinese characters."""
    if page.counts[HAN] >= 2:
        digits = np.flatnonzero(_table(HAN_DIGITS + "0123456789０１２３４５６７８９")[page.points])
        yield from _clusters(digits, LEAST_OF_HAN)


def plates(page: Page) -> list[int]:
    """Where a character for a province stands before a capital."""
    if not page.counts[HAN] or not page.counts[UPPER]:
        return []
    found = _table(PROVINCES)[page.points[:-1]] & (page.classes[1:] == UPPER)
    return np.flatnonzero(found).tolist()


def announced(page: Page) -> dict[int, NDArray[np.int64]]:
    """By what it announces, where each such word of a page in spaced words begins. It may be another word."""
    if page.counts[LOWER] + page.counts[UPPER] <= page.counts[HAN]:
        return {}
    kinds = _kinds_of_hashes()[page.token_hashes & np.uint64(_NUM_HASHES - 1)]
    tokens = np.flatnonzero(kinds)
    starts, kinds = page.tokens[0][tokens], kinds[tokens]
    found = {kind: starts[kinds == kind] for kind in (AT, NAME, ACCOUNT)}
    spelled = tokens[kinds == SPELLED]
    found[SPELLED] = page.tokens[0][spelled[:-6][spelled[6:] - spelled[:-6] <= 8]]  # seven of nine words
    return found


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
    breaks = np.flatnonzero(np.diff(places) > _GAP)
    firsts = np.concatenate(([0], breaks + 1))
    lasts = np.concatenate((breaks, [len(places) - 1]))
    for first in np.flatnonzero(lasts - firsts >= least - 1).tolist():
        yield int(places[firsts[first]]), int(places[lasts[first]]) + 1


@cache
def _table(signs: str) -> NDArray[np.bool_]:
    table = np.zeros(NUM_POINTS, bool)
    table[[ord(sign) for sign in signs]] = True
    return table


@cache
def _kinds_of_hashes() -> NDArray[np.uint8]:
    table = np.zeros(_NUM_HASHES, np.uint8)
    for kind, words in _ANNOUNCING.items():
        shapes = [shape for word in words for shape in (word, word.capitalize(), word.upper())]
        hashes = Page(" ".join([*shapes, "WeChat"] if kind == ACCOUNT else shapes)).token_hashes
        table[(hashes & np.uint64(_NUM_HASHES - 1)).astype(np.int64)] = kind
    return table
