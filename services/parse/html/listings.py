"""Code on a page: which elements lay out lines of code.

Pages show code as `pre`, as a table with a column of numbers, as list items, as a `div` or a paragraph for
each line or as text with `<br>`. Each becomes one listing; lines.py reads its lines.
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
from services.parse.html.lines import LINES, cleaned, is_chrome, is_digits, lines_of, speaks_of_numbers

_CLASS = re.compile(
    r"(?:^|\s)(?:code|codehilite|syntaxhighlighter\S*|hljs\S*|prettyprint\S*|linenums\S*|crayon-\S+|dp-[a-z]+"
    r"|dp-highlighter|codemirror\S*|cm-content|shiki\S*|prism\S*|rouge\S*|blob-(?:code|wrapper)\S*|source-?code"
    r"|blockcode|fragment|enlighter\S*|ace_(?:editor|text-layer)|lines-code"
    r"|code-?(?:block|box|area|snippet|view|listing|wrap|wrapper|content|lines?)|w3-code|lang(?:uage)?-\w+"
    r"|brush:\S*|js-file-line\S*|highlight|highlight(?:table|-source-\S+)|view-lines|lntable|chroma)(?=\s|$)",
    re.IGNORECASE,
)
# Every class that the patterns find holds one of these, and looking for them first takes a tenth of the time.
_SPEAKS_OF_CODE = Finder([
    (
        "code", "syntaxh", "hljs", "prettyp", "linenums", "crayon-", "dp-", "cm-content", "shiki", "prism",
        "rouge", "blob-w", "fragment", "enlighter", "ace_", "lines-code",
        "lang", "brush:", "js-file", "highlight", "view-lines", "lntable", "chroma",
    )
])  # fmt: skip
_MONOSPACE = re.compile(r"monospace|courier|consolas|menlo|white-space:\s*pre", re.IGNORECASE)
_SYMBOLS = re.compile(r"[{}()\[\];=<>_\\#$&|/*:\"']")

_VERBATIM = frozenset({"pre", "xmp", "listing", "plaintext"})
_TYPEWRITER = ("code", "tt", "samp", "kbd", "font")
_LAYOUTS = frozenset({"table", "ol", "ul", "div", "td", "p", "blockquote", "section", "figure"})
_MAX_INSIDE = 8
_LEAST_LINES = 3  # each in an element of its own
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
    _join_lines(found)
    return found


def _join_lines(found: dict[Any, Listing]) -> None:
    """Lines that stand each in an element of its own, one below the other, become one listing."""
    joined: set[Any] = set()
    for element in [each for each in found if _is_line(each, found)]:
        if element in joined:
            continue
        lines = _lines_from(element, found)
        joined.update(lines)
        text = "\n".join(found[line].text if line in found else "" for line in lines)
        if len(lines) >= _LEAST_LINES and looks_like_code(text):
            found |= dict.fromkeys(lines, Listing("", fenced=True))
            found[element] = Listing(cleaned(text), fenced=True)
        elif element.tag not in _VERBATIM:
            for line in lines:
                found.pop(line, None)


def _lines_from(element: Any, found: dict[Any, Listing]) -> list[Any]:
    """That element and the lines below it, and empty ones between them, each in such an element."""
    lines = [element]
    num = 1
    while not (lines[-1].tail or "").strip():
        below = lines[-1].getnext()
        if below is None or below.tag != element.tag:
            break
        lines.append(below)
        if _is_line(below, found):
            num = len(lines)
        elif "".join(below.itertext()).strip():
            break
    return lines[:num]


def _is_line(element: Any, found: dict[Any, Listing]) -> bool:
    return element in found and element.tag in ("pre", "p") and "\n" not in found[element].text


def _candidates(root: Any) -> Iterator[Any]:
    """Elements worth a look, which costs as much as they hold: so none that is far inside of others."""
    classes = {element.get("class") or "" for element in root.iter(*_LAYOUTS)}
    if next(root.iter(*_VERBATIM), None) is not None or any(map(_is_class_of_code, classes)):
        yield from _set_apart(root)
    for element in root.iter("p"):
        if (style := element.get("style")) and _MONOSPACE.search(style):
            yield element
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
        text = cleaned(lines_of(element))
        marked = element.find("code") is not None or _is_marked(element) or element.find("span") is not None
        return Listing(text, marked or looks_like_code(text)) if text.strip() else None
    pres = list(element.iterdescendants("pre"))
    if not (pres or _is_marked(element) or _is_typewriter(element)):
        return None
    if next(element.iterdescendants("table"), None) is not None or element.find(".//p/p") is not None:
        return None
    if pres and (len(pres) < 3 or not all("line" in pre.get("class", "").lower() for pre in pres)):
        return None  # each by itself
    if element.tag != "p" and _is_on_one_line(element):
        return None
    text = cleaned(lines_of(element))
    is_line = element.tag == "p" and "\n" not in text  # which may be one of several
    if not text or not (is_line or ("\n" in text and looks_like_code(text))):
        return None
    return Listing(text, fenced=True)


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
            if cell.tag == "th" and is_chrome(cell):
                continue
            if speaks_of_numbers(cell.get("class", "")) and is_digits(text):
                named = True
            elif is_digits(text) and (len(cells) > 1 or not text.strip()):
                numbers += map(int, re.findall(r"\d+", text)[:10_000])
            else:
                code.append(cell)
        if len(code) > 1:
            return None
        if code:
            cell = code[0]
            marked = marked or _is_marked(cell) or cell.find(".//pre") is not None
            named = named or (cell.find(".//pre") is not None and len(cells) == 1)
            rows.append(lines_of(cell).strip("\n"))
        elif cells:
            rows.append("")
    counted = bool(numbers) and all(b == a + 1 for a, b in itertools.pairwise(numbers))
    text = cleaned("\n".join(rows))
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
    return next(element.iterdescendants("br", "span", *LINES), None) is None and "\n" not in "".join(
        element.itertext()
    )
