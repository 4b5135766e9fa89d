"""What a text repeats by nature: listings in fenced blocks, markup, addresses of links, quoted posts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set

# What announces a quoted post: its last words, or its first. No mark is without one of the signs.
_LONGEST_MARK = 80  # characters
_SENTENCE, _SENTENCE_OF_HAN = 60, 25  # characters of a line that is no name, button or heading
_MOST_OFTEN = 3  # times that a sentence is said, quotes included
_LEAST_POSTS = 5
_SIGNS = (
    "said", "wrote", "writes", "posted", "quote", "写道", "說道", "说道", "发表于", "原帖由", "引用",
)  # fmt: skip
# A line that is a tag, a cell or label between two, a comment, a shortcode, a directive of documentation and
# its options, or where a link of Markdown leads.
_MARKUP = re.compile(
    r"[ \t]*(?:</?[A-Za-z][^<>]*>(?:[^<>]{0,40}</[A-Za-z][^<>]*>)?|<!--.*-->"
    r"|\{\{[^{}]*\}\}|(?::::|///).*|\.\. [\w-]+::.*|:[\w-]{2,30}:(?: .*)?"
    r"|\[[^\]\n]*+\]: (?:https?:|[./#])\S*.*)"
)
_MARKUP_BEGINS = ("<", "{{", ":::", "///", ".. ", "]: ")
_TARGET = re.compile(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?\)")
_LEAST_ADDRESSES = 5  # fewer repeat next to nothing, and another text costs its time
_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"'，。）)]+")
_QUOTES = re.compile(
    r"(?:\b(?:said|wrote|writes|posted)|写道|說道|说道|发表于.{0,30}|原帖由.{0,40})[ \t]*[:：]?$"
    r"|^[ \t]*(?:quote\b|originally posted\b|引用)",
    re.IGNORECASE,
)


def outside_fences(lines: Sequence[str]) -> list[int]:
    """Numbers of the lines outside Markdown's fenced blocks; one that is left open is none.

    What closes a block has nothing behind it (CommonMark 0.31, section 4.5).
    """
    kept: list[int] = []
    fence, opened = "", 0
    for number, line in enumerate(lines):
        mark = line.lstrip()[:3]
        if fence:
            fence = "" if mark == fence and not line.strip(f" \t{fence[0]}") else fence
        elif mark in ("```", "~~~") and line.count(mark) == 1:
            fence, opened = mark, number
        else:
            kept.append(number)
    return [*kept, *range(opened, len(lines))] if fence else kept


def without_fences(text: str) -> str:
    """The text without Markdown's fenced blocks."""
    if not ("`" in text and "```" in text) and not ("~" in text and "~~~" in text):
        return text
    lines = text.split("\n")
    return "\n".join([lines[number] for number in outside_fences(lines)])


def without_markup(text: str) -> str:
    """The text without lines of markup, and without the options of a directive, indented below it."""
    if not any(sign in text for sign in _MARKUP_BEGINS):
        return text
    kept: list[str] = []
    in_options = False
    for line in text.split("\n"):
        is_markup = _MARKUP.fullmatch(line) is not None
        in_options = line.startswith(":::") or (in_options and line.startswith("    "))
        if not is_markup and not in_options:
            kept.append(line)
    return "\n".join(kept)


def without_targets(text: str) -> str:
    """The text without the addresses of Markdown's links, whose words stay."""
    return _TARGET.sub("]", text) if "]" in text and "](" in text else text


def with_addresses_as_words(text: str) -> str:
    """The text with each bare address as one word: its parts are no n-grams, and lines differ by it."""
    if text.count("://") < _LEAST_ADDRESSES:
        return text
    return _ADDRESS.sub(lambda found: "".join(filter(str.isalnum, found[0])), text)


def without_quotes(text: str, *, may_be_marked: bool = True) -> str:
    """The text without lines that occurred before and are quoted: one after another behind a quote's mark, or
    sentences that stand before an answer. Linear in the length of the text.
    """
    is_marked = may_be_marked and _may_quote(text.lower())
    if not is_marked and not _says_again(text):
        return text
    lines = text.split("\n")
    number = Counter(lines)
    kept: list[str] = []
    seen: set[str] = set()
    is_quoted = False
    at = 0
    while at < len(lines):
        line = lines[at]
        if is_quoted and (line in seen or not line):
            at += 1
            continue
        behind = at
        while behind < len(lines) and _is_again(lines[behind], seen, number, behind > at):
            behind += 1
        again = lines[at:behind]
        if again and behind < len(lines) and lines[behind] not in seen and _is_post(again, text):
            at, is_quoted = behind, False
            continue
        kept += again or [line]
        seen.add(line)
        at += len(again) or 1
        is_quoted = is_marked and len(line) <= _LONGEST_MARK and not again and _is_mark(line)
    return "\n".join(kept)


def _is_mark(line: str) -> bool:
    return _QUOTES.search(line) is not None


def _says_again(text: str) -> bool:
    sentences = [line for line in text.split("\n") if len(line) >= _SENTENCE_OF_HAN and is_sentence(line)]
    return len(set(sentences)) < len(sentences)


def is_sentence(line: str) -> bool:
    """Whether a line or paragraph is as long as one: no name, button or heading."""
    return len(line) >= _SENTENCE or (len(line) >= _SENTENCE_OF_HAN and line[0] > "\u2e80")


def _is_again(line: str, seen: Set[str], number: Mapping[str, int], is_within: bool) -> bool:
    """Whether a line goes on with what may be a quote, or begins it: what is said more often is no quote."""
    if not line:
        return is_within
    return line in seen and number[line] <= _MOST_OFTEN and (is_within or is_sentence(line))


def _is_post(lines: Sequence[str], text: str) -> bool:
    """A post is one of several; more is a page that came twice."""
    return sum(map(len, lines)) * _LEAST_POSTS <= len(text)


def _may_quote(lower: str) -> bool:
    """Whether a mark may be there; most lines with a sign hold none. Linear in the length of the text."""
    signs = [sign for sign in _SIGNS if sign in lower]
    for found in (found for sign in signs for found in re.finditer(sign, lower)):
        nearest = max(0, found.start() - _LONGEST_MARK)
        start = lower.rfind("\n", nearest, found.start()) + 1 or nearest
        line = lower[start : found.start() + _LONGEST_MARK].partition("\n")[0]
        if _is_mark(line):
            return True
    return False
