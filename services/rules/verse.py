"""Lines of verse, subtitles and chat: narrow, and said by someone, punctuated or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import COMMA, TERMINAL
from services.rules.page import Page
from services.rules.words import ENGLISH, TOLD, is_said_character

NARROW_LINE = 60  # columns; a wrapped line of text is wider
# Columns of a line of Han: entries of Chinese menus have two to eight characters. Verse, subtitles and chat
# without punctuation have lines of ten to twenty, and such a line says as much as an English sentence.
NARROW_LINE_OF_HAN = 28
LIST_SIGNS = "-*+•#=|>"
# Own: without, 81 of 84 English and 668 of 669 Chinese poems whose punctuation was taken away are menus, with
# it 7 and 67, while of 282 page frames as many are. Of 2,100 modern Chinese poems 4 % were menus by function
# characters alone, .8 % with those of who speaks.
_SPOKEN = 0.6
_CLASSICAL, _OF_ONE_LENGTH = 5, 0.7  # characters of Han, share of the lines
_NARROW = 0.8  # of the lines of a poem; a title or a note may be wider


def widest(page: Page) -> NDArray[np.int64]:
    """Columns that a line has at least that is not narrow, for each line that is not empty."""
    widths, lengths = page.line_widths, page.line_lengths
    return np.where(2 * (widths - lengths) > lengths, NARROW_LINE_OF_HAN, NARROW_LINE)


def is_verse(page: Page) -> bool:
    """Whether nearly all lines are narrow, no list items nor `name: value`, and most are closed or spoken.

    Of lines that come again the first counts.
    """
    _, places = np.unique(page.line_hashes, return_index=True)
    firsts, is_narrow = page.line_firsts, (page.line_widths < widest(page)) & ~page.line_names
    narrow = np.array([i for i in places.tolist() if is_narrow[i] and firsts[i] not in LIST_SIGNS], np.int64)
    if len(narrow) < _NARROW * len(places):
        return False
    lasts = page.line_end_classes[narrow]
    closed = np.count_nonzero((lasts == TERMINAL) | (lasts == COMMA))
    return bool(closed >= _SPOKEN * len(narrow)) or is_spoken(page, narrow)


def is_spoken(page: Page, narrow: NDArray[np.int64]) -> bool:
    """Whether narrow lines, by their numbers, are verse, subtitles or chat without punctuation.

    Most of them hold a function word, in Chinese a character or a comma; or most lines have one length, of
    five characters and more: classical verse.
    """
    starts, ends = page.line_spans[0][narrow], page.line_spans[1][narrow]
    characters = np.flatnonzero(is_said_character()[page.points])
    holds = np.zeros(len(narrow), bool)
    for places in (page.starts_of(ENGLISH | TOLD), characters):
        holds |= places.searchsorted(ends) > places.searchsorted(starts)
    if np.count_nonzero(holds) >= _SPOKEN * len(narrow):
        return True
    lengths = page.line_lengths[narrow]
    of_han = lengths[page.line_widths[narrow] > lengths]
    number = np.bincount(of_han, minlength=_CLASSICAL + 1)
    return bool(number[_CLASSICAL:].max() >= _OF_ONE_LENGTH * len(page.lines))
