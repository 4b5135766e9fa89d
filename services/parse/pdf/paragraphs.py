"""From lines in reading order to paragraphs.

Two lines are one paragraph where the second's first word would not have fitted on the first. A hyphen at
a line's end goes, unless the document writes the word with one.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from services.parse.pdf.line import HAN, HYPHEN, Line
from services.parse.pdf.tables import Table

LINE, BLOCK = "\n", "\n\n"  # what stands between a line and the one before it

_NEW_BLOCK = 1.4  # times the usual distance of two lines
_INDENT = 0.8  # of the font's height, as is the next
_LEADER_DOTS = 6
_NEIGHBOURS = 12  # lines before and after, among which a column's right edge is looked for
_LEADERS = re.compile(rf"(?: ?\.){{{_LEADER_DOTS},}} ?")  # the dots of a table of contents
_LIST_ITEM = re.compile(
    r"(?:[•·▪◦‣●○■□◆–—*-]|\(?\d{1,3}[.)、．）]|\(?[a-z][.)]|[（(][一二三四五六七八九十]+[）)])\s*\S"
)
_HAN = re.compile(f"[{HAN}]")
_LAST_WORD = re.compile(rf"([^\W\d_]+(?:-[^\W\d_]+)*)[-{HYPHEN}]$")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(rf"[\w-]+{HYPHEN}?")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_CLOSED_PREFIXES = re.compile(
    "any|co|down|every|extra|fore|hand|head|in|inter|mid|mis|non|off|on|out|over|pre|re|short|some|sub|super"
    "|there|through|to|trans|un|under|up|with|work"
)
# Of the words with such a beginning or end nine in ten have a hyphen before their other part (in English text
# of many kinds, of which one half was counted to choose them and the other to see).
_COMPOUND = re.compile(
    r"(?:self|well|two|three|five)-\w{4,}|\w{3,}-(?:based|known|oriented|driven|specific|level|term|shaped|grained)"
)
_SENTENCE_END = re.compile(r"[.!?。！？：:；;…][\"'”’）)\]]*$")


class _Placed(NamedTuple):
    """A line with what its surroundings say: right edge of its column, usual distance of lines."""

    line: Line
    page: int
    edge: float
    leading: float


def assemble(pages: Sequence[Sequence[Line | Table]]) -> str:
    """Text of all pages: paragraphs apart by a blank line, what is no prose line by line."""
    words = _Words(line.text for page in pages for line in page if isinstance(line, Line))
    pieces: list[str] = []
    last: _Placed | None = None
    for placed in _place(pages):
        if isinstance(placed, Table) or last is None:
            pieces += [BLOCK] if pieces else []
        elif (joint := _joint(last, placed)) is None:
            pieces[-1], joint = _mend(pieces[-1], placed.line.text, words)
            pieces.append(joint)
        else:
            pieces.append(joint)
        pieces.append(placed.text if isinstance(placed, Table) else placed.line.text)
        last = None if isinstance(placed, Table) else placed
    text = "".join(pieces).replace(HYPHEN, "-")
    may_lead = ". ." in text or "." * _LEADER_DOTS in text  # much faster to tell
    return _LEADERS.sub(" … ", text) if may_lead else text


def _place(pages: Sequence[Sequence[Line | Table]]) -> Iterator[_Placed | Table]:
    for number, page in enumerate(pages):
        lines = [line for line in page if isinstance(line, Line)]
        ratio = _leading(lines)
        edges = _edges(lines, _NEW_BLOCK * ratio)
        index = 0
        for item in page:
            if isinstance(item, Table):
                yield item
                continue
            yield _Placed(item, number, edges[index], ratio * item.height)
            index += 1


def _leading(page: Sequence[Line]) -> float:
    """Usual distance of two lines of a page, as a multiple of the font's height."""
    steps = [
        step
        for a, b in pairwise(page)
        if a.height > 0 and 0.5 < (step := (a.base - b.base) / a.height) < 3 and _alike(a, b)
    ]
    return statistics.median(steps) if steps else 1.2


def _edges(page: Sequence[Line], step: float) -> list[float]:
    """Right edge of the column in which each line stands: of the lines that follow each other within step,
    a multiple of the font's height.

    One line in eight may stand out, so that a heading over two columns does not count.
    """
    edges: list[float] = []
    joins = [_adjoin(a, b, step * b.height) for a, b in pairwise(page)]
    rights = [line.right for line in page]
    start = 0
    for end in range(1, len(page) + 1):
        if end < len(page) and joins[end - 1]:
            continue
        if end - start <= _NEIGHBOURS + 1:  # all are near each other
            edges += [_edge(rights[start:end])] * (end - start)
        else:
            block = rights[start:end]
            edges += [
                _edge(block[max(0, index - _NEIGHBOURS) : index + _NEIGHBOURS + 1])
                for index in range(len(block))
            ]
        start = end
    return edges


def _edge(rights: Sequence[float]) -> float:
    return sorted(rights)[-1 - len(rights) // 8]


def _adjoin(a: Line, b: Line, step: float) -> bool:
    """Whether b is the line under a, in the same column and font."""
    return _alike(a, b) and 0 < a.base - b.base <= step and b.left < a.right and b.right > a.left


def _alike(a: Line, b: Line) -> bool:
    less, more = (a.height, b.height) if a.height < b.height else (b.height, a.height)
    return more - less <= 0.15 * more


def _joint(last: _Placed, this: _Placed) -> str | None:
    """What stands between two lines; None when they are one paragraph."""
    a, b = last.line, this.line
    full = last.edge - a.right < _first_word(b)
    if last.page != this.page or b.base > a.base + 0.5 * a.height:  # a new page or column
        ended = _SENTENCE_END.search(a.text) or _LIST_ITEM.match(b.text)
        goes_on = full and _alike(a, b) and not ended
        return None if goes_on and (b.text[0].islower() or _HAN.match(b.text)) else BLOCK
    down = a.base - b.base
    if not _alike(a, b) or down > _NEW_BLOCK * last.leading:
        return BLOCK
    if down < 0.5 * a.height or _LIST_ITEM.match(b.text) or _has_leaders(a.text):
        return LINE
    if _is_cut(a.text, b.text):
        return None
    if b.left - a.left > _INDENT * a.height and not _LIST_ITEM.match(a.text):
        return BLOCK if _SENTENCE_END.search(a.text) else LINE
    return None if full else LINE


def _has_leaders(text: str) -> bool:
    return text.count(".") >= _LEADER_DOTS and bool(_LEADERS.search(text))


def _first_word(line: Line) -> float:
    """Width of the first word and a space, or of two wide characters, at the line's average width."""
    width = (line.right - line.left) / len(line.text)
    if _HAN.match(line.text):
        return 2 * width
    return (len(line.text.split(None, 1)[0]) + 1) * width


def _mend(before: str, after: str, words: _Words) -> tuple[str, str]:
    """(the text before, what stands between) for two lines that are one."""
    if _is_cut(before, after):
        return (before, "") if words.keep_hyphen(before, after) else (before[:-1], "")
    if before.endswith((HYPHEN, "-")) and before[-2:-1].isalnum():
        return before, ""
    joined = _HAN.match(after) and before and _HAN.match(before[-1])
    return before, "" if joined else " "


def _is_cut(before: str, after: str) -> bool:
    """A word is cut by a hyphen at the end of a line."""
    return before.endswith((HYPHEN, "-")) and before[-2:-1].isalpha() and after[0].islower()


class _Words:
    """The words of a document, which say whether a hyphen at a line's end belongs to the word."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self._seen: frozenset[str] | None = None

    def keep_hyphen(self, before: str, after: str) -> bool:
        """As the document writes the word elsewhere; else where both parts are words of it (harbour-side),
        or one is of those that hyphens join (evidence-based), unless the first is a prefix that is usually
        written in one (under-stand).
        """
        first, second = _LAST_WORD.search(before), _FIRST_WORD.match(after)
        if not (first and second):
            return False
        a, b = first[1].lower(), second[0].lower()
        seen = self._all()
        if a.rpartition("-")[2] + b in seen:
            return False
        if f"{a}-{b}" in seen or "-" in a:
            return True
        if _CLOSED_PREFIXES.fullmatch(a):
            return False
        return bool(_COMPOUND.match(f"{a}-{b}")) or (min(len(a), len(b)) > 2 and {a, b} <= seen)

    def _all(self) -> frozenset[str]:
        """Words that are not themselves at a line's end before a hyphen or after one."""
        if self._seen is None:
            tokens = set(_TOKEN.findall("\n".join(self._lines).lower()))
            self._seen = frozenset(filter(_WORD.fullmatch, tokens))
        return self._seen
