"""What of a document is compared with others: two documents for which this is equal are the same text.

Prose: without the marks of Markdown, HTML and front matter, and without what a page puts around its text (see
scaffolding.py), lower case, a space for each run of whitespace, its characters folded (see folding.py). Code:
its letters, lines and indentation, which are the program, without the comment that stands at its head: short
programs under one licence are not alike. (Near copies are sought without regard to case there, too, since a
renamed type is no other program, and to the spaces between its tokens, which a formatter sets.)
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

import xxhash

from contracts import Document
from services.dedup.folding import fold, seen, tight
from services.dedup.scaffolding import without_scaffolding

_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n[\w-]+:(?:[^\n]*\n){1,60}?---[ \t]*(?:\r?\n|$)")
# Headings, quotations, points of a list. It begins with a literal, for which the search is fast.
_LINE_MARKS = re.compile(r"\n[ \t]*(?:(?:#{1,6}|[-*+•])[ \t]+|>[ \t]?)+")
_BEGINNINGS = ("\n#", "\n-", "\n*", "\n+", "\n>", "\n•")
_LINK = re.compile(r"\[([^\[\]\n]{0,300})\]\([^()\s]{0,2000}\)")
_WORD_MARKS = ("**", "__", "`")
_ATTRIBUTE = r"""\s+[\w:.-]{1,40}\s?=\s?(?:"[^"<>]{0,2000}"|'[^'<>]{0,2000}'|[^\s"'<>]{1,200})"""
# A tag, and not what lies between "less" and "greater" in a formula: one word, and attributes with a value.
_TAG = re.compile(
    rf"<(?:/?[a-zA-Z][a-zA-Z0-9]{{0,14}}(?:{_ATTRIBUTE}){{0,30}}\s?/?>|!--(?:(?!-->).){{0,2000}}-->)",
    re.DOTALL,
)
_NOT_CODE = frozenset({"text/x-markdown", "text/x-rst", "text/x-log", "text/x-tex", "text/x-latex"})

_ENOUGH = 16  # characters beside the head: a file that is little more than its head is compared whole
_STEP = 0xE800  # a private character, and those around it: so many blocks begin, or have ended
_DEEPEST = 0x400
_NOTICE = re.compile(r"copyright|\(c\)|©|licen[cs]e|warrant|all rights|spdx", re.IGNORECASE)

# What may stand before a comment: byte order mark, interpreter, opening tag, XML declaration.
_OPENING = re.compile(r"\ufeff?\s*(?:#!(?!\[).*\s*)?(?:<\?(?:php|xml|=)?.*\s*)?")
# How some language opens a comment of several lines, and closes it; of two that fit the longer is meant.
_BLOCKS = (
    ("--[==[", "]==]"), ("--[[", "]]"), ("#[[", "]]"), ("#|", "|#"), ("#=", "=#"), ("#[", "]#"), ("/*", "*/"),
    ("/+", "+/"), ("<!--", "-->"), ("<%--", "--%>"), ("<#", "#>"), ("(*", "*)"), ("{-", "-}"), ("{*", "*}"),
    ("{#", "#}"), ("@*", "*@"), ("%{", "%}"), ('"""', '"""'), ("'''", "'''"), ("=begin", "\n=end"),
    ("=pod", "\n=cut"), ("=head", "\n=cut"),
)  # fmt: skip
_BLOCKS_BY = {
    first: [block for block in _BLOCKS if block[0][0] == first]
    for first in {block[0][0] for block in _BLOCKS}
}
_QUOTES = ('"""', "'''")  # no comments: what they hold mostly says what the program does
# A line that is a comment as a whole. Directives, attributes and selectors begin with # as well.
_COMMENT_LINE = re.compile(
    r"""[ \t]*(?:
    \#(?! !?\[ | [\w-]+.*\{
        | (?:include|import|define|undef|if|ifn?def|pragma|error|warning|line|region|use|using)\b )
    | // | --(?!\[) | ; | %(?!\{) | \|\| | \*> | \*(?=[ \t*]|$) | :: | '(?!'') | "(?=[ \t*=-]|$)
    | !(?=[ \t!*=-]|$) | [.']?\\" | \.\.(?=\s) | NB\. | \u235d | dnl\b | @?rem\b | C(?=[ \t*-][^=\n]*$|$)
    ).*\n?""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_BREAKS = re.compile(r"[\r\n]*")
_BRACES = re.compile(r"\s*\{[^{}$][^{}]*\}(?=\s*[A-Za-z])")  # Pascal; a program in braces goes on otherwise


class Compared(NamedTuple):
    """text: what signatures are made of. exact: what is equal where two documents are the same text."""

    text: str
    exact: int


def compared(document: Document, *, fold_script: bool = True) -> Compared:
    """What is compared of a document; a fixed function of its text, its language and whether it is code.

    fold_script: whether traditional Chinese is compared as simplified; Japanese never is.
    """
    if not _is_code(document):
        text = prose(document.text, fold_script=fold_script and document.language != "ja")
        return Compared(text, _digest(text))
    lines = [line for each in without_head(document.text).splitlines() if (line := each.rstrip())]
    return Compared(code(lines), _digest("\n".join(lines)))


def prose(text: str, *, fold_script: bool = True) -> str:
    """Lower case, one space for each run of whitespace, none beside Han characters, without marks."""
    plain = text if text.isascii() else seen(text)
    normal = " ".join(without_scaffolding(without_marks(plain).lower()).split())
    return normal if normal.isascii() else fold(normal, script=fold_script)


def without_marks(text: str) -> str:
    """The words of a text that is written in Markdown or HTML; all of one that is nothing but marks."""
    front = _FRONT_MATTER.match(text)
    plain = text[front.end() :] if front else text
    if "](" in plain:
        plain = _LINK.sub(r"\1", plain.replace("![", "["))
    if "<" in plain:
        plain = _TAG.sub("", plain)
    if "&" in plain:
        plain = html.unescape(plain)
    plain = "\n" + plain
    if any(mark in plain for mark in _BEGINNINGS):
        plain = _LINE_MARKS.sub("\n", plain)
    for mark in _WORD_MARKS:
        plain = plain.replace(mark, "")
    return plain if plain.strip() else text


def code(lines: Sequence[str]) -> str:
    """The tokens of a program, and a character of its own wherever a line lies deeper or less deep.

    So a shingle sees that a line has left its block, and not how wide a step is, nor how long lines are, nor
    how a formatter spaces them: a space is left only between two words.
    """
    widths: list[int] = []  # of the indentations around a line
    written: list[str] = []
    before = 0
    for line in lines:
        width = len(line) - len(line.lstrip())
        if "\t" in line[:width]:
            width = len(line[:width].expandtabs())
        while widths and width <= widths[-1]:
            widths.pop()
        if (step := len(widths) - before) != 0:
            written.append(chr(_STEP + max(-_DEEPEST, min(step, _DEEPEST))))
        written.append(line)
        before = len(widths)
        widths.append(width)
    return tight(" ".join(" ".join(written).split()).lower())


def without_head(text: str) -> str:
    """A source without the comments before its first line of code, where enough is left."""
    at = _end(_OPENING, text, 0)
    while (length := _comment(text, at)) > 0:
        at = _end(_BREAKS, text, at + length)
    # where the first lines are enough, the rest need not be counted
    enough = at == 0 or any(sum(map(len, text[at:end].split())) >= _ENOUGH for end in (at + 200, None))
    return text[at:] if enough else text


def _comment(text: str, at: int) -> int:
    """Length of the comment that begins there, 0 where none does."""
    ahead = text[at : at + 200]
    begin = at + len(ahead) - len(ahead.lstrip())
    for opening, closing in _BLOCKS_BY.get(text[begin : begin + 1], ()):
        if text.startswith(opening, begin):
            end = text.find(closing, begin + len(opening))
            if end < 0 or (opening in _QUOTES and not _NOTICE.search(text, begin, end)):
                return 0
            return end + len(closing) - at
    return (_end(_COMMENT_LINE, text, at) - at) or (_end(_BRACES, text, at) - at)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where what it matches there ends."""
    found = pattern.match(text, at)
    return found.end() if found else at


def _is_code(document: Document) -> bool:
    if document.format:
        return document.format == "code"
    return document.media_type.startswith("text/x-") and document.media_type not in _NOT_CODE


def _digest(text: str) -> int:
    return xxhash.xxh3_64_intdigest(_encoded(text))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
