"""What a text repeats by nature: listings in fenced blocks, and posts that are quoted in an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What announces a quoted post: its last words, or its first.
_LONGEST_MARK = 80  # characters
_QUOTES = re.compile(
    r"(?:\b(?:said|wrote|writes|posted)|写道|說道|说道|发表于.{0,30}|原帖由.{0,40})[ \t]*[:：]?$"
    r"|^[ \t]*(?:quote\b|originally posted\b|引用)",
    re.IGNORECASE,
)


def outside_fences(lines: Sequence[str]) -> list[int]:
    """Numbers of the lines outside Markdown's fenced blocks; of all where one is left open."""
    kept: list[int] = []
    fence = ""
    for number, line in enumerate(lines):
        mark = line.lstrip()[:3]
        if fence:
            fence = "" if mark == fence else fence
        elif mark in ("```", "~~~") and line.count(mark) == 1:
            fence = mark
        else:
            kept.append(number)
    return list(range(len(lines))) if fence else kept


def without_fences(text: str) -> str:
    """The text without Markdown's fenced blocks; as it is where one is left open."""
    if "```" not in text and "~~~" not in text:
        return text
    lines = text.split("\n")
    return "\n".join([lines[number] for number in outside_fences(lines)])


def without_quotes(text: str) -> str:
    """The text without lines that occurred before and stand, one after another, behind a quote's mark."""
    kept: list[str] = []
    seen: set[str] = set()
    is_quoted = False
    for line in text.split("\n"):
        if is_quoted and (line in seen or not line):
            continue
        is_quoted = len(line) <= _LONGEST_MARK and _QUOTES.search(line) is not None
        kept.append(line)
        seen.add(line)
    return "\n".join(kept)
