"""What a text repeats by nature: listings in fenced blocks, and posts that are quoted in an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What announces a quoted post: its last words, or its first. No mark is without one of the signs.
_LONGEST_MARK = 80  # characters
_SIGNS = (
    "said", "wrote", "writes", "posted", "quote", "写道", "說道", "说道", "发表于", "原帖由", "引用",
)  # fmt: skip
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
    if not ("`" in text and "```" in text) and not ("~" in text and "~~~" in text):
        return text
    lines = text.split("\n")
    return "\n".join([lines[number] for number in outside_fences(lines)])


def without_quotes(text: str) -> str:
    """The text without lines that occurred before and stand, one after another, behind a quote's mark."""
    if not _may_quote(text.lower()):
        return text
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


def _may_quote(lower: str) -> bool:
    """Whether a mark may be there; most lines with a sign hold none. Linear in the length of the text."""
    signs = [sign for sign in _SIGNS if sign in lower]
    for found in (found for sign in signs for found in re.finditer(sign, lower)):
        nearest = max(0, found.start() - _LONGEST_MARK)
        start = lower.rfind("\n", nearest, found.start()) + 1 or nearest
        line = lower[start : found.start() + _LONGEST_MARK].partition("\n")[0]
        if _QUOTES.search(line):
            return True
    return False
