"""A text in pieces: its lines, and the sentences of a line. Linear in the text, whatever is in it.

A sentence ends behind 。！？ wherever they stand, and behind . ! ? where a space follows and no small letter
behind it, but for abbreviations, initials and the number of a list. Quotation marks and brackets that close
go with what they close. What no sentence mark divides, a button or a heading, is one piece.

Code has no pieces: blocks between fences, indented ones and rows of tables are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Marks of an end, those that close behind them, and the white space up to the next sentence: classes that
# share no character, so that none is tried twice.
_END = re.compile(r"[。！？!?.…｡]+[\"'”’」』）)\]》]*[ \t\u3000]*")
_WIDE = frozenset("。！？…｡")
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|\.(?=[^\W\d_])){0,11}\Z")  # the letters before a full stop
_LOOK_BACK = 13  # characters: the longest of them and what stands before
_ABBREVIATIONS = frozenset(
    word
    for line in (
        "mr mrs ms dr prof rev hon gen col capt lt sgt gov sen rep pres st mt ft jr sr messrs mme mlle",
        "vs etc al cf viz ca approx no nos vol vols fig figs eq eqs sec ch chap ed eds pp par art",
        "inc ltd corp co bros dept univ assn est",
        "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun",
        "e.g i.e a.m p.m u.s u.k u.n ph.d b.a m.a d.c",
    )
    for word in line.split()
)
_FENCE = re.compile(r"[ \t]{0,3}(```|~~~)")
_INDENTED = ("    ", "\t")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MARKS = re.compile(r"[ \t]*(?:(?:[#>*+•-]+|\d{1,3}[.)])[ \t]+)*")  # of Markdown, before the words of a line


class Piece(NamedTuple):
    """text[start:end], the white space behind it included. whole: it is a line, its end included."""

    start: int
    end: int
    whole: bool


def pieces(text: str, *, markdown: bool = False) -> Iterator[Piece]:
    """The pieces of a text in order; lines without a character, and code, are in none.

    markdown: indented lines are code. (In prose they are the beginnings of paragraphs.)
    """
    fence = ""
    for each in _LINE.finditer(text):
        line = each[0]
        found = _FENCE.match(line)
        if fence or found:
            if found and found[1] == (fence or found[1]):
                fence = "" if fence else found[1]
        elif not (line.isspace() or line.startswith("|") or (markdown and line.startswith(_INDENTED))):
            yield from _sentences(text, each.start(), each.end())


def _sentences(text: str, start: int, end: int) -> Iterator[Piece]:
    """Those of one line."""
    last = len(text[start:end].rstrip()) + start
    begin = start
    match = _MARKS.match(text, start, end)
    first = match.end() if match else start  # a list's number ends no sentence
    for found in _END.finditer(text, first, last):
        if found.end() < last and _ends(text, first, found):
            yield Piece(begin, found.end(), whole=False)
            begin = found.end()
    yield Piece(begin, end, whole=begin == start)


def _ends(text: str, first: int, found: re.Match[str]) -> bool:
    """Whether a sentence ends at these marks, behind which the line goes on."""
    marks = found[0]
    if not _WIDE.isdisjoint(marks):
        return True
    if not marks[-1].isspace():
        # Chinese is also written with narrow marks; a Latin letter or digit behind one goes on: 3.14, a.b
        return ord(text[found.end()]) >= 0x2E80 and marks[0] != "."
    if text[found.end()].islower():
        return False
    if marks[0] != "." or marks.startswith(".."):
        return True
    word = _WORD.search(text, max(first, found.start() - _LOOK_BACK), found.start())
    if word is None:
        return True
    letters = word[0].lower()
    return len(letters) > 1 and letters not in _ABBREVIATIONS
