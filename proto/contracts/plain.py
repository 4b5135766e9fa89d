"""A text without the marks of Markdown: what a judge reads, wherever the text came from.

Parse writes a page's headings, points and bold type as Markdown, and a judge that saw the marks would judge
the page's layout. So the trainer takes them off the texts that it learns from, and inference off those that
it judges, by the same function. The words stay, code and formulas included; numbers of points do too, since
plain text has them as well.
"""

from __future__ import annotations

import re

# What a line begins with, in any order and number: a quotation, a heading, a point, a cell's border.
_START = re.compile(r"(?:(?:>|#{1,6}(?=\s|$)|[-+*•](?=\s)|\|)\s*)+")
_MARKS = frozenset(">#-+*•|`~=_:")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{0,2000}(?: \"[^\"\n]{0,300}\")?\)")
# Each begins with the character it looks for, and looks back from there: so the search is by that character.
_INLINE = re.compile(r"\*\*+|~~+|`+|__(?<!\w__)(?=[^\s_])|__(?<=[^\s_]__)(?!\w)|\\(?=[*_#`~|<>.!+-])")
_ITALIC = re.compile(r"([*_])(?<![\w*\\].)(?=[^\s*_])([^\n*_]{1,300})(?<=\S)\1(?![\w*])")


def plain(text: str) -> str:
    """The text without marks of Markdown and without white space around it and its lines; in linear time.

    The blank line that ends a lone heading goes too: a token more at the end moves every part that is read.
    """
    text = "\n".join([line for line in map(_line, text.split("\n")) if line is not None]).strip("\n")
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "*" in text or "_" in text:
        text = _ITALIC.sub(r"\2", text)
    if "**" in text or "`" in text or "__" in text or "~~" in text or "\\" in text:
        text = _INLINE.sub("", text)
    return text


def _line(line: str) -> str | None:
    """Of one line what is no mark of its block; None for a line that is nothing else, such as a fence."""
    line = line.strip()
    if not line or line[0] not in _MARKS:
        return line
    if line.startswith(("```", "~~~")) and not line.endswith(line[:3], 3):
        return None
    if len(line) >= 3 and not line.strip("-=*_:|` \t"):
        return None
    cells = line[0] == "|"
    if found := _START.match(line):
        line = line[found.end() :]
    return line.rstrip("| ").replace(" | ", "  ") if cells else line
