"""The lines of a listing, with their indentation, however laid out; no numbers, nothing to press."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.parse.html.finder import Finder

_NUMBERS = re.compile(
    r"(?:^|[\s_-])(?:linenos?|lineno|linenumbers?|lines?-num(?:ber)?s?(?:-rows)?|ln|lnt|ln-num(?:ber)?s?|hljs-ln-n\w*"
    r"|gutter|blob-num|linenodiv|crayon-nums?\S*|pre-numbering|code-line-number|rouge-gutter)(?=\s|$)",
    re.IGNORECASE,
)
_SPEAKS_OF_NUMBERS = Finder([("line", "ln", "gutter", "num")])
_CHROME = re.compile(
    r"(?:^|[\s_-])(?:copy\w*|clipboard|headerlink|toolbar|tools|filename|prompt|extension-header)(?=[\s_-]|$)",
    re.IGNORECASE,
)
_PRESSED = re.compile(
    r"\s*(?:复制(?:代码)?|登录(?:后)?复制|view plain|(?:copy|select) (?:all|code))\s*", re.IGNORECASE
)
_LONGEST_PRESSED, _LONGEST_CHROME = 12, 39  # characters
_PRESSABLE = frozenset({"a", "button", "em", "div"})
_LINE_CLASS = re.compile(r"(?:^|\s)(?:line|code-line|view-line|cl|token-line|cm-line|crayon-line)(?=\s|$)")
_DISPLAYED = re.compile(r"display\s*:\s*(?:block|table-row|flex)", re.IGNORECASE)
_DIGITS = re.compile(r"[\d\s.:]*")
_NUMBERED = re.compile(r"[ \t]*(\d{1,5})(?:[.:|)](?=\s|$)|(?=\s|$))[ \t]?")

LINES = frozenset({"div", "p", "li", "tr", "pre", "dd", "dt"})
_LEFT_OUT = frozenset({"script", "style", "button", "svg", "noscript", "template", "textarea", "select"})


def is_numbering(element: Any) -> bool:
    """Numbers of lines beside a listing, outside of it; of an element whose class speaks of them."""
    return all(map(is_digits, element.itertext()))  # up to the first that is none: elements nest


def speaks_of_numbers(named: str) -> bool:
    """Whether a class is of line numbers."""
    return _SPEAKS_OF_NUMBERS.mask(named.lower()) > 0 and _NUMBERS.search(named) is not None


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a listing says where lines end. apart: by its elements alone, also by those that stand in a line
    elsewhere. doubly: each `br` stands at the end of a line of the source, which it ends.
    """

    apart: bool
    doubly: bool


def is_digits(text: str) -> bool:
    """Whether it is nothing but numbers, or nothing."""
    return _DIGITS.fullmatch(text) is not None


def lines_of(element: Any) -> str:
    """Its text as it stands, a line for each `br` and for each element that begins one."""
    breaks = list(element.iter("br"))
    ends = [(each.tail or "").startswith(("\n", "\r\n")) for each in breaks]
    on_one = "\n" not in "".join(element.itertext()).strip()
    out: list[str] = []
    _gather(element, out, _Layout(on_one and not breaks, len(ends) > 1 and all(ends[:-1])), 0)
    return "".join(out)


def _gather(element: Any, out: list[str], layout: _Layout, depth: int) -> None:
    if element.text:
        out.append(element.text)
    for child in element:
        tag, tail = child.tag, child.tail or ""
        begins = tag in LINES or (layout.apart and _is_line_of(child, element))
        if tag == "br":
            out.append("" if layout.doubly and tail else "\n")
        elif not isinstance(tag, str) or tag in _LEFT_OUT:
            pass
        elif is_chrome(child):
            tail = tail.removeprefix("\xa0")
        elif begins:
            _gather_line(child, out, layout, depth)
        else:
            _inside(child, out, layout, depth)
        if tail and not (begins and not tail.strip()):
            out.append(tail)


def _gather_line(child: Any, out: list[str], layout: _Layout, depth: int) -> None:
    if out and not out[-1].endswith("\n"):
        out.append("\n")
    start = len(out)
    _inside(child, out, layout, depth)
    if out[start:]:
        if not out[-1].endswith("\n"):
            out.append("\n")
    elif not any(map(str.strip, child.itertext())):  # an empty line; else there were only numbers in it
        out.append("\n")


def _is_line_of(child: Any, element: Any) -> bool:
    """Whether an element that stands in a line elsewhere is one here."""
    if child.tag == "code":
        return element.tag == "pre" and len(element) > 1
    return child.tag == "span" and bool(
        _LINE_CLASS.search(child.get("class", "")) or _DISPLAYED.search(child.get("style", ""))
    )


def _inside(element: Any, out: list[str], layout: _Layout, depth: int) -> None:
    if depth < 100:
        _gather(element, out, layout, depth + 1)
    else:
        out.append("".join(element.itertext()))


def is_chrome(element: Any) -> bool:
    """A number of a line, or something to press."""
    named = element.get("class")
    if named:
        numbers, pressed = _is_beside_code(named)
        if numbers:
            return is_numbering(element)
        if pressed:
            return _short_text(element, _LONGEST_CHROME) is not None
    if element.tag not in _PRESSABLE:
        return False
    text = _short_text(element, _LONGEST_PRESSED)
    return text is not None and _PRESSED.fullmatch(text) is not None


def _short_text(element: Any, most: int) -> str | None:
    """Its text where that has so many characters at most. What has more is not read to its end: elements
    stand in each other, and each is asked for.
    """
    found = ""
    for piece in element.itertext():
        found += piece
        if len(found) > most:
            return None
    return found


@lru_cache(8192)
def _is_beside_code(named: str) -> tuple[bool, bool]:
    """Whether a class is of numbers of lines, and of what can be pressed."""
    return bool(_NUMBERS.search(named)), bool(_CHROME.search(named))


def cleaned(text: str) -> str:
    """Spaces for spaces that do not break, no numbers in front, no blank lines around."""
    lines = [
        line.rstrip()
        for line in text.replace("\xa0", " ").replace("\u200b", "").replace("\r", "").split("\n")
    ]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        del lines[0]
    numbered = [_NUMBERED.match(line) for line in lines]
    if len(lines) >= 3 and all(numbered):
        numbers = [int(match[1]) for match in numbered if match]
        if all(b == a + 1 for a, b in itertools.pairwise(numbers)):
            lines = [line[match.end() :] for line, match in zip(lines, numbered, strict=True) if match]
    return "\n".join(lines)
