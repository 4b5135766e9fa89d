"""Lines that look like entries of menus, and what looks like them and is none: verse, lists, chat."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from services.rules.characters import COMMA, TERMINAL
from services.rules.page import INDENTED, Page
from services.rules.quoted import outside_fences
from services.rules.verse import LIST_SIGNS, is_spoken, widest

_MENU_COLUMNS = (
    0.2  # own: 98 of 100 page frames that the rule would meet hold more, a fifth of good texts less
)
# Own: of page frames that the rule would meet one in fifty has more of its columns in sentences, of product
# pages, landing pages and contents with an introduction one in four.
_SENTENCE, _SENTENCE_COLUMNS = 80, 0.55
_MANY_TIMES = 3  # a writer's name, above each of the posts
# An item by its number, or so many of a thing; a ticket's number and what it was; a chapter (11.2. Types); a
# row of four figures and more; an exam's statement or choice: (2) ② (B) B.; a row of a table in LaTeX.
_ITEM = re.compile(
    r"\s*[0-9]{1,3} ?(?:[.)、）] ?[^\s0-9]|[x×] )"
    r"|\s*[0-9]{3,7}(?: {2,4}|\t)[^\s0-9]"
    r"|\s*[0-9]{1,2}(?:\.[0-9]{1,2})+\.? [A-Z\u4e00-\u9fff]"
    r"|\s*(?:[0-9]++[^\w\n]++){3}[0-9][0-9\W]*+$"
    r"|\s*(?:[①-⑳]|[(（](?:[0-9]{1,2}|[A-H]|[一二三四五六七八九十]{1,2})[)）]|[A-H] ?[.．、] ?\S)"
    r"|\s*\\(?:hline|cline|begin|end)\b|[^\n]*\\\\$"
)
_ITEM_BEGINS = frozenset("0123456789①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳(（ABCDEFGH\\")
_NAMED = (" – ", " — ", " - ")  # who, and what for
# A work or person with its year or years: (1995), 1860-62.
_DATED = re.compile(r"(?:[(（] ?[12][0-9]{3}|[12][0-9]{3} ?(?:-|–|@-@) ?[0-9]{2,4}) ?[)）]?$")
_DATE_ENDS = frozenset("0123456789)）")
_GOES_ON = ("–", "—")  # at the end, as a comma is


def menu_line_share(page: Page) -> float:
    """Lines that look like entries of menus, footers and link lists.

    Such a line is narrow, ends with no punctuation, is not taken up by a next line in lower case, and is no
    list item, number, heading, `name: value`, `name – role` or code, nor indented, nor in a fenced block, nor
    part of a list that a sentence announces, nor one that stands there again and again. Own measure, in the
    spirit of jusText's short link-less blocks.
    0 where such lines hold less than _MENU_COLUMNS of the text, or sentences more than _SENTENCE_COLUMNS: a
    thread with its names and buttons, or a description with its table, is no menu.
    Nor are verse, subtitles and chat without punctuation.
    """
    last = page.line_end_classes
    widths = page.line_widths
    bound = widest(page)
    narrow = np.flatnonzero((widths < bound) & (last != TERMINAL) & (last != COMMA) & ~page.line_names)
    whole = float(widths.sum())
    least = _MENU_COLUMNS * whole
    if widths[narrow].sum() < least:
        return 0.0
    if widths[(widths >= _SENTENCE) & (last == TERMINAL)].sum() > _SENTENCE_COLUMNS * whole:
        return 0.0
    starts, ends = page.line_spans
    firsts = page.line_firsts
    goes_on = [*(starts[1:] == ends[:-1] + 1).tolist(), False]  # no blank line comes next
    found = [
        i
        for i in narrow.tolist()
        if firsts[i] not in LIST_SIGNS and not (goes_on[i] and firsts[i + 1].islower())
    ]
    if widths[found].sum() < least:
        return 0.0  # told first: most pages end here
    lines, announced = page.lines, _announced(page, goes_on, bound)
    often = Counter([lines[i] for i in narrow.tolist()])
    may_be_fenced = "```" in page.text or "~~~" in page.text
    outside = set(outside_fences(lines) if may_be_fenced else found)
    found = [
        i
        for i in found
        if i in outside
        and i not in announced
        and not lines[i].startswith(INDENTED)
        and often[lines[i]] < _MANY_TIMES
        and not _is_item(lines[i], firsts[i])
        and not any(dash in lines[i] for dash in _NAMED)
        and not lines[i].endswith(_GOES_ON)
    ]
    if widths[found].sum() < least or is_spoken(page, narrow):
        return 0.0
    return len(found) / len(lines)


def _is_item(line: str, first: str) -> bool:
    if (first in _ITEM_BEGINS or line.endswith("\\")) and _ITEM.match(line) is not None:
        return True
    return line[-1] in _DATE_ENDS and _DATED.search(line, max(0, len(line) - 16)) is not None


def _announced(page: Page, goes_on: list[bool], bound: NDArray[np.int64]) -> set[int]:
    """Numbers of the lines that follow on a wide one with a colon at its end, up to a blank or a wide one."""
    if not page.line_colons.any():
        return set()
    is_wide = page.line_widths >= bound
    found: set[int] = set()
    for first in np.flatnonzero(page.line_colons & is_wide).tolist():
        at = first
        while goes_on[at] and not is_wide[at + 1]:
            at += 1
            found.add(at)
    return found
