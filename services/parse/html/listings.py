"""Code on a page: which elements lay out lines of code, and those lines with their indentation.

Pages show code as `pre`, as a table with a column of numbers, as list items, as a `div` for each line or as
text with `<br>`. Each becomes one listing without line numbers, copy buttons and anchors.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree

from services.parse.html.finder import Finder

_CLASS = re.compile(
    r"(?:^|\s)(?:code|codehilite|syntaxhighlighter\S*|hljs\S*|prettyprint\S*|linenums\S*|crayon-\S+|dp-[a-z]+"
    r"|dp-highlighter|codemirror\S*|cm-content|shiki\S*|prism\S*|rouge\S*|blob-(?:code|wrapper)\S*|source-?code"
    r"|code-?(?:block|box|area|snippet|view|listing|wrap|wrapper|content|lines?)|w3-code|lang(?:uage)?-\w+"
    r"|brush:\S*|js-file-line\S*|highlight|highlight(?:table|-source-\S+)|view-lines|lntable|chroma)(?=\s|$)",
    re.IGNORECASE,
)
_NUMBERS = re.compile(
    r"(?:^|[\s_-])(?:linenos?|lineno|linenumbers?|line-num(?:ber)?s?(?:-rows)?|ln|lnt|ln-num(?:ber)?s?|hljs-ln-n\w*"
    r"|gutter|blob-num|linenodiv|crayon-nums?\S*|pre-numbering|code-line-number|rouge-gutter)(?=\s|$)",
    re.IGNORECASE,
)
# Every class that the patterns find holds one of these, and looking for them first takes a tenth of the time.
_SPEAKS_OF_CODE = Finder([
    (
        "code", "syntaxh", "hljs", "prettyp", "linenums", "crayon-", "dp-", "cm-content", "shiki", "prism",
        "rouge", "blob-w", "lang", "brush:", "js-file", "highlight", "view-lines", "lntable", "chroma",
    )
])  # fmt: skip
_SPEAKS_OF_NUMBERS = Finder([("line", "ln", "gutter", "num")])
_CHROME = re.compile(
    r"(?:^|[\s_-])(?:copy|clipboard|copybtn|headerlink|toolbar|prompt)(?=[\s_-]|$)", re.IGNORECASE
)
_LINE_CLASS = re.compile(r"(?:^|\s)(?:line|code-line|view-line|cl|token-line|cm-line|crayon-line)(?=\s|$)")
_MONOSPACE = re.compile(r"monospace|courier|consolas|menlo|white-space:\s*pre", re.IGNORECASE)
_DIGITS = re.compile(r"[\d\s.:]*")
_NUMBERED = re.compile(r"[ \t]*(\d{1,5})(?:[.:|)](?=\s|$)|(?=\s|$))[ \t]?")
_SYMBOLS = re.compile(r"[{}()\[\];=<>_\\#$&|/*:\"']")

_VERBATIM = frozenset({"pre", "xmp", "listing", "plaintext"})
_TYPEWRITER = ("code", "tt", "samp", "kbd", "font")
_LINES = frozenset({"div", "p", "li", "tr", "pre", "dd", "dt"})
_LEFT_OUT = frozenset({"script", "style", "button", "svg", "noscript", "template", "textarea", "select"})
_LAYOUTS = frozenset({"table", "ol", "ul", "div", "td", "p", "blockquote", "section", "figure"})
_MAX_INSIDE = 8
_num_inside = etree.XPath("count(descendant-or-self::*)")
_MOST_LOOKED_AT = 50_000  # elements, in all looks together; pages need a fifteenth
_HOLDERS = ("div", "p", "td", "blockquote", "section", "figure", "ol", "ul", "dd", "article")


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines as on the page. fenced: they are code, and not a letter or poem that was laid out by hand."""

    text: str
    fenced: bool


def find_listings(root: Any) -> dict[Any, Listing]:
    """The elements that hold nothing but a listing, each with it. An inner one may be part of an outer
    one.
    """
    found: dict[Any, Listing] = {}
    seen = set()
    left = _MOST_LOOKED_AT
    for element in _candidates(root):
        if element not in seen:
            seen.add(element)
            left -= int(_num_inside(element))
            if left < 0:
                break
            if (listing := _listing(element)) is not None:
                found[element] = listing
    return found


def _candidates(root: Any) -> Iterator[Any]:
    """Elements worth a look, which costs as much as they hold: so none that is far inside of others."""
    if any(map(_is_set_apart, root.iter(*_VERBATIM, *_LAYOUTS))):  # on most pages none is
        yield from _set_apart(root)
    for element in root.iter(*_TYPEWRITER):
        if element.tag == "code" and (element.find("br") is not None or "\n" in (element.text or "")):
            yield element
        holder = next(element.iterancestors(*_HOLDERS), None)
        if holder is not None:
            yield holder
            if (around := holder.getparent()) is not None and around.tag in _HOLDERS:
                yield around


def _set_apart(root: Any) -> Iterator[Any]:
    open_: list[Any] = []  # such elements around
    for event, element in etree.iterwalk(root, events=("start", "end"), tag=(*_VERBATIM, *_LAYOUTS)):
        if event == "end":
            if open_ and open_[-1] is element:
                open_.pop()
        elif _is_set_apart(element):
            open_.append(element)
            if len(open_) > _MAX_INSIDE:
                continue
            yield element
            if element.tag in _VERBATIM or element.tag == "td":
                table = next(element.iterancestors("table"), None)
                if table is not None:
                    yield table


def _is_set_apart(element: Any) -> bool:
    return element.tag in _VERBATIM or _is_marked(element)


def _listing(element: Any) -> Listing | None:
    if element.tag == "table":
        return _of_table(element)
    if element.tag in _VERBATIM:
        text = _clean(_lines(element))
        marked = element.find("code") is not None or _is_marked(element) or element.find("span") is not None
        return Listing(text, marked or looks_like_code(text)) if text.strip() else None
    pres = list(element.iterdescendants("pre"))
    if not (pres or _is_marked(element) or _is_typewriter(element)):
        return None
    if next(element.iterdescendants("table"), None) is not None or element.find(".//p/p") is not None:
        return None
    if pres and (
        len(pres) < 3
        or not all(
            _LINE_CLASS.search(pre.get("class", "").lower()) or "line" in pre.get("class", "").lower()
            for pre in pres
        )
    ):
        return None  # each by itself
    if _is_on_one_line(element):
        return None
    text = _clean(_lines(element))
    if text.count("\n") < 1 or not looks_like_code(text):
        return None
    return Listing(text, fenced=True)


def is_numbering(element: Any) -> bool:
    """Numbers of lines beside a listing, outside of it; of an element whose class speaks of them."""
    return bool(_DIGITS.fullmatch("".join(element.itertext())))


def speaks_of_numbers(named: str) -> bool:
    """Whether a class is of line numbers."""
    return _SPEAKS_OF_NUMBERS.mask(named.lower()) > 0 and _NUMBERS.search(named) is not None


def looks_like_code(text: str) -> bool:
    """Many signs, or lines that are indented."""
    lines = [line for line in text.split("\n") if line.strip()]
    visible = sum(map(len, map(str.strip, lines)))
    if not visible:
        return False
    words = len(lines) * 60 > visible  # lines of prose are longer
    indented = sum(line[0] in " \t" for line in lines)
    return words and (
        len(_SYMBOLS.findall(text)) * 100 > 5 * visible
        or (0 < indented < len(lines) and indented * 5 > len(lines))
    )


def _of_table(table: Any) -> Listing | None:
    """A table of one column of code, with or without a column of line numbers."""
    if next(table.iterdescendants("table"), None) is not None:
        return None
    rows = []
    marked = _is_marked(table)
    numbers: list[int] = []
    named = False
    for row in table.iter("tr"):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        code = []
        for cell in cells:
            text = "".join(cell.itertext())
            if _NUMBERS.search(cell.get("class", "")) and _DIGITS.fullmatch(text):
                named = True
            elif _DIGITS.fullmatch(text) and (len(cells) > 1 or not text.strip()):
                numbers += map(int, re.findall(r"\d+", text)[:10_000])
            else:
                code.append(cell)
        if len(code) > 1:
            return None
        if code:
            cell = code[0]
            marked = marked or _is_marked(cell) or cell.find(".//pre") is not None
            named = named or (cell.find(".//pre") is not None and len(cells) == 1)
            rows.append(_lines(cell).strip("\n"))
        elif cells:
            rows.append("")
    counted = bool(numbers) and all(b == a + 1 for a, b in itertools.pairwise(numbers))
    text = _clean("\n".join(rows))
    if not (marked and text.strip() and (named or counted)) or (numbers and not counted):
        return None
    return Listing(text, fenced=True)


def _is_marked(element: Any) -> bool:
    named = element.get("class")
    return bool(named) and _is_class_of_code(named)


@lru_cache(8192)
def _is_class_of_code(named: str) -> bool:
    return _SPEAKS_OF_CODE.mask(named.lower()) > 0 and _CLASS.search(named) is not None


def _is_typewriter(element: Any) -> bool:
    """Whether all of its text is set like code, on several lines."""
    if element.tag in ("code", "tt") or _MONOSPACE.search(element.get("style", "")):
        return True
    if _has_own_text(element) or next(element.iterancestors(*_TYPEWRITER), None) is not None:
        return False
    inside = 0
    whole = sum(len(text.strip()) for text in element.itertext())
    outermost = etree.iterwalk(element, events=("start",), tag=_TYPEWRITER)
    for _, each in outermost:
        outermost.skip_subtree()
        if each.tag != "font" or _MONOSPACE.search(each.get("face", "")):
            inside += sum(len(text.strip()) for text in each.itertext())
    return whole > 0 and inside == whole


def _has_own_text(element: Any) -> bool:
    """Whether text stands in it that is in no element inside."""
    texts = [element.text, *(child.tail for child in element)]
    return any(text and not text.isspace() for text in texts)


def _is_on_one_line(element: Any) -> bool:
    """Whether nothing in it can begin a line, nor its text does."""
    return next(element.iterdescendants("br", "span", *_LINES), None) is None and "\n" not in "".join(
        element.itertext()
    )


def _lines(element: Any) -> str:
    """Its text as it stands, a line for each `br` and for each element that begins one."""
    out: list[str] = []
    one_line = "\n" not in "".join(element.itertext()).strip()
    _gather(element, out, one_line, 0)
    return "".join(out)


def _gather(element: Any, out: list[str], one_line: bool, depth: int) -> None:
    if element.text:
        out.append(element.text)
    for child in element:
        tag = child.tag
        begins = tag in _LINES or (one_line and tag == "span" and _LINE_CLASS.search(child.get("class", "")))
        if tag == "br":
            out.append("\n")
        elif not isinstance(tag, str) or tag in _LEFT_OUT or _is_chrome(child):
            pass
        elif begins:
            if out and not out[-1].endswith("\n"):
                out.append("\n")
            start = len(out)
            _inside(child, out, one_line, depth)
            if not out[start:] or not out[-1].endswith("\n"):
                out.append("\n")
        else:
            _inside(child, out, one_line, depth)
        if child.tail and not (begins and not child.tail.strip()):
            out.append(child.tail)


def _inside(element: Any, out: list[str], one_line: bool, depth: int) -> None:
    if depth < 100:
        _gather(element, out, one_line, depth + 1)
    else:
        out.append("".join(element.itertext()))


def _is_chrome(element: Any) -> bool:
    """A number of a line, or something to press."""
    named = element.get("class")
    if not named:
        return False
    numbers, pressed = _is_beside_code(named)
    if numbers:
        return bool(_DIGITS.fullmatch("".join(element.itertext())))
    return pressed and len("".join(element.itertext())) < 40


@lru_cache(8192)
def _is_beside_code(named: str) -> tuple[bool, bool]:
    """Whether a class is of numbers of lines, and of what can be pressed."""
    return bool(_NUMBERS.search(named)), bool(_CHROME.search(named))


def _clean(text: str) -> str:
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
