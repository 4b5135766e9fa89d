"""Lines and paragraphs that occurred before, and which of them may."""

from __future__ import annotations

import re
from collections import Counter

from services.rules.quoted import is_sentence

# What may come again: marks, a figure alone or a row of them (rulers, borders and cells of tables), a small
# word, which a listing leaves where each of its words became a line, what announces the next lines, what is
# done or shown meanwhile, in brackets: [applause]; of paragraphs a heading or label as well.
_MARKS = re.compile(
    r"[\W_]*+\d{0,4}+[\W_]*+|(?:[\W_]++\d{1,4}\b)++[\W_]*+|[a-z_]{1,9}|[^\n]{1,60}[:：][\W_]{0,3}"
    r"|[\[(（【][^\n\[\]()（）【】]{1,40}[\])）】]"
)
LABEL = re.compile(r"(?:#[^\n]*|[^\n]*[:：])\s*(?:\n[\W_]*)?|[\W_]*|[^\n]{1,60}\n([-=~^*+])\1{2,}")
# `name: value` in one line, of a record.
_FIELD = re.compile(r"[\W_]{0,8}(\w[^\n:：]{0,40})[:：][^\n]{1,80}")
_ONCE_MORE, _MOST_QUOTED = 2, 0.4  # times; of the characters: more is a page that came twice
_QUOTED = re.compile(r"(?:> ?)+")  # the marks of a mail, at the start of a line
_VALUES = 2  # that a field of a record has at least; one alone is a slogan
INDENTED = ("    ", "\t")


def repeated(pieces: list[str], may_repeat: re.Pattern[str] = _MARKS) -> tuple[float, float]:
    """Shares (0..1) of the pieces, and of their characters, that occurred before.

    Left out are those that may come again, fields of records, and, where they are the smaller part, listings,
    rows of tables and headings: an interview asks each the same, two tables have columns in common.
    """
    return _shares(_again(pieces, Counter(pieces), may_repeat), pieces)


def said_often(pieces: list[str], may_repeat: re.Pattern[str] = _MARKS) -> tuple[float, float]:
    """The same, without sentences that are said just once more: a mail quotes the message that it answers."""
    times = Counter(pieces)
    again = _again(pieces, times, may_repeat)
    quoted = [piece for piece in again if times[piece] == _ONCE_MORE and is_sentence(piece)]
    if sum(map(len, quoted)) <= _MOST_QUOTED * sum(map(len, pieces)):
        again = [piece for piece in again if times[piece] != _ONCE_MORE or not is_sentence(piece)]
    return _shares(again, pieces)


def _shares(some: list[str], pieces: list[str]) -> tuple[float, float]:
    return (len(some) / len(pieces), sum(map(len, some)) / sum(map(len, pieces))) if some else (0.0, 0.0)


def _again(pieces: list[str], times: Counter[str], may_repeat: re.Pattern[str]) -> list[str]:
    """A piece for each time that it occurred before."""
    if len(times) == len(pieces):
        return []
    again = [piece for piece, number in times.items() for _ in range(number - 1)]
    again = [piece for piece in again if not may_repeat.fullmatch(piece)]
    if any(map(_field, again)):
        values = Counter(map(_field, times))
        again = [piece for piece in again if not (name := _field(piece)) or values[name] < _VALUES]
    if 2 * sum(len(piece) for piece in pieces if _is_beside(piece)) < sum(map(len, pieces)):
        again = [piece for piece in again if not _is_beside(piece)]
    return again


def _is_beside(piece: str) -> bool:
    """Whether it is indented, as a listing is, or a row or heading, by its sign or in bold throughout; quoted
    or not.
    """
    if piece[0] == ">":
        piece = _QUOTED.sub("", piece, count=1)
    is_bold = piece.startswith("**") and piece.find("**", 2) == len(piece) - 2
    return piece.startswith((*INDENTED, "| ", "# ", "## ", "### ", "#### ")) or is_bold


def _field(piece: str) -> str:
    """The name of a field; empty where the piece is none."""
    if ":" not in piece and "：" not in piece:
        return ""
    found = _FIELD.fullmatch(piece)
    return found[1] if found else ""
