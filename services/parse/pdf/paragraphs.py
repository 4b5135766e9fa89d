"""From lines on pages to paragraphs.

Lines come in the order in which the page draws them, which typesetters keep column by column. What
repeats at the same place on several pages is furniture (running heads, page numbers) and goes; two lines
are one paragraph where the second's first word would not have fitted on the first; hyphens at line ends
are mended.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.parse.pdf.line import HYPHEN, Line

LINE, BLOCK = "\n", "\n\n"  # what stands between a line and the one before it

_MARGIN_LINES = 3  # running heads and feet are among so many outermost lines of a page, or a third of them
_SAME_PLACE = 4.0  # points
_NEW_BLOCK = 1.4  # times the usual distance of two lines
_INDENT = 0.8  # of the font's height, as is the next
_SPACE = 0.15
_NEIGHBOURS = 12  # lines before and after, among which a column's right edge is looked for
_LEADERS = re.compile(r"(?: ?\.){6,} ?")  # the dots of a table of contents
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.|第)?[-–—·.|\s]*(?:\d{1,4}|[ivxlc]{1,7})[-–—·.|\s]*(?:(?:/|of|共)\s*\d{1,4})?\s*页?",
    re.IGNORECASE,
)
_LIST_ITEM = re.compile(
    r"(?:[•·▪◦‣●○■□◆–—*-]|\(?\d{1,3}[.)、．）]|\(?[a-z][.)]|[（(][一二三四五六七八九十]+[）)])\s*\S"
)
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_SENTENCE_END = re.compile(r"[.!?。！？：:；;…][\"'”’）)\]]*$")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line with what its surroundings say: right edge of its column, usual distance of lines."""

    line: Line
    page: int
    edge: float
    leading: float


def assemble(pages: Sequence[Sequence[Line]]) -> str:
    """Text of all pages: paragraphs apart by a blank line, what is no prose line by line."""
    pieces: list[str] = []
    last: _Placed | None = None
    for placed in _place(_without_furniture(pages)):
        if last is not None and _beside(last, placed):
            pieces.append(" " if placed.line.left - last.line.right > _SPACE * last.line.height else "")
            pieces.append(placed.line.text)
            last = _row(last, placed)
            continue
        if last is not None:
            joint = _joint(last, placed)
            if joint is None:
                pieces[-1], joint = _mend(pieces[-1], placed.line.text)
            pieces.append(joint)
        pieces.append(placed.line.text)
        last = placed
    return _LEADERS.sub(" … ", "".join(pieces).replace(HYPHEN, "-"))


def _without_furniture(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without the lines that stand at the same height of several pages with the same words."""
    seen = Counter(key for page in pages for key in {_key(line) for line in _margins(page)})
    needed = 3 if len(pages) > 4 else 2
    kept = []
    for page in pages:
        margins = set(map(id, _margins(page)))
        kept.append([line for line in page if id(line) not in margins or seen[_key(line)] < needed])
    return kept


def _margins(page: Sequence[Line]) -> list[Line]:
    ordered = sorted(page, key=lambda line: line.base)
    depth = min(_MARGIN_LINES, len(page) // 3)
    return ordered[:depth] + ordered[len(page) - depth :]


def _key(line: Line) -> tuple[str, int]:
    words = "#" if _PAGE_NUMBER.fullmatch(line.text) else _DIGITS.sub("#", line.text)
    return words, round(line.base / _SAME_PLACE)


def _place(pages: Sequence[Sequence[Line]]) -> Iterator[_Placed]:
    for number, page in enumerate(pages):
        ratio = _leading(page)
        for index, line in enumerate(page):
            leading = ratio * line.height
            yield _Placed(line, number, _edge(page, index, _NEW_BLOCK * leading), leading)


def _leading(page: Sequence[Line]) -> float:
    """Usual distance of two lines of a page, as a multiple of the font's height."""
    steps = [
        (a.base - b.base) / a.height
        for a, b in pairwise(page)
        if a.height > 0 and 0.5 < (a.base - b.base) / a.height < 3 and _alike(a, b)
    ]
    return statistics.median(steps) if steps else 1.2


def _edge(page: Sequence[Line], index: int, step: float) -> float:
    """Right edge of the column in which a line stands: of the lines that follow each other within step.

    One line in eight may stand out, so that a heading over two columns does not count.
    """
    first = last = index
    while first > max(0, index - _NEIGHBOURS) and _adjoin(page[first - 1], page[first], step):
        first -= 1
    while last < min(len(page) - 1, index + _NEIGHBOURS) and _adjoin(page[last], page[last + 1], step):
        last += 1
    rights = sorted(line.right for line in page[first : last + 1])
    return rights[-1 - len(rights) // 8]


def _adjoin(a: Line, b: Line, step: float) -> bool:
    """Whether b is the line under a, in the same column and font."""
    return _alike(a, b) and 0 < a.base - b.base <= step and b.left < a.right and b.right > a.left


def _alike(a: Line, b: Line) -> bool:
    return abs(a.height - b.height) <= 0.15 * max(a.height, b.height)


def _beside(last: _Placed, this: _Placed) -> bool:
    """It goes on in the same row: after an exponent, an index, a change of font."""
    a, b = last.line, this.line
    height = max(a.height, b.height)
    return (
        last.page == this.page
        and abs(a.base - b.base) < 0.6 * height
        and -0.2 * height < b.left - a.right < height
    )


def _row(last: _Placed, this: _Placed) -> _Placed:
    """The two as one line, at the place of the larger of them."""
    large = last if last.line.height >= this.line.height else this
    return replace(large, line=replace(large.line, left=last.line.left, right=this.line.right))


def _joint(last: _Placed, this: _Placed) -> str | None:
    """What stands between two lines; None when they are one paragraph."""
    a, b = last.line, this.line
    full = last.edge - a.right < _first_word(b)
    if last.page != this.page or b.base > a.base + 0.5 * a.height:  # a new page or column
        ended = _SENTENCE_END.search(a.text) or _LIST_ITEM.match(b.text)
        goes_on = full and _alike(a, b) and not ended
        return None if goes_on and (b.text[0].islower() or _WIDE.match(b.text)) else BLOCK
    down = a.base - b.base
    if not _alike(a, b) or down > _NEW_BLOCK * last.leading:
        return BLOCK
    if down < 0.5 * a.height or _LIST_ITEM.match(b.text) or _LEADERS.search(a.text):
        return LINE
    if _is_cut(a.text, b.text):
        return None
    if b.left - a.left > _INDENT * a.height and not _LIST_ITEM.match(a.text):
        return BLOCK if _SENTENCE_END.search(a.text) else LINE
    return None if full else LINE


def _first_word(line: Line) -> float:
    """Width of the first word and a space, or of two wide characters, at the line's average width."""
    width = (line.right - line.left) / len(line.text)
    if _WIDE.match(line.text):
        return 2 * width
    return (len(line.text.split(None, 1)[0]) + 1) * width


def _mend(before: str, after: str) -> tuple[str, str]:
    """(the text before, what stands between) for two lines that are one."""
    if _is_cut(before, after):
        return before[:-1], ""
    if before.endswith((HYPHEN, "-")) and before[-2:-1].isalnum():
        return before, ""
    joined = _WIDE.match(after) and before and _WIDE.match(before[-1])
    return before, "" if joined else " "


def _is_cut(before: str, after: str) -> bool:
    """A word is cut by a hyphen at the end of a line."""
    return before.endswith((HYPHEN, "-")) and before[-2:-1].isalpha() and after[0].islower()
