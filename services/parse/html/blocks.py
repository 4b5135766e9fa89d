"""A page as a row of blocks: paragraphs, headings, list items, rows of tables, listings, in reading order.

A block's text is Markdown without escapes: what a reader sees stands as it is. Each block knows the elements
around it (frames), by which main_text.py tells content from everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from services.parse.html.formulas import formula_of, hidden_formula, unify
from services.parse.html.hints import hints_of
from services.parse.html.listings import Listing, find_listings, is_numbering
from services.parse.html.tables import is_data, rows_of

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "noscript", "ol",
    "optgroup", "p", "pre", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "ul",
})  # fmt: skip
_LEFT_OUT = frozenset({
    "script", "style", "template", "svg", "canvas", "iframe", "object", "embed", "video", "audio", "head",
    "select", "datalist", "input", "textarea", "rt", "rp", "map", "meter", "progress", "noframes", "applet",
    "link", "meta", "title", "annotation", "annotation-xml",
})  # fmt: skip
_NUMBERING = frozenset({"ul", "ol", "div", "td"})
_BOLD, _ITALIC, _TYPEWRITER = (
    frozenset({"b", "strong"}),
    frozenset({"i", "em"}),
    frozenset({"code", "tt", "samp", "kbd"}),
)
_APART = frozenset({"a", "button", "label", "option", "time"})  # side by side they are words of their own
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_SPACES = re.compile(r"[ \t\r\n\f\xa0\u2000-\u200a\u3000]+")
_LOST = " \ufffd"  # of letters that a font of pictures had, and the page's charset has not
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_BREAK = "\x01"  # a <br>; the charset left no control character in the page
_EDGES = f" \t\r\n\f{_BREAK}\xa0\u3000" + "".join(
    map(chr, range(0x2000, 0x200C))
)  # spaces, and an invisible one
_BREAKS = re.compile(f"[ ]*{_BREAK}[ ]*")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CELL_DEPTH = 60
_MIN_NOSCRIPT = 300  # characters; a plea to switch scripts on is shorter
_KIND_IN = {
    "dt": "dt", "dd": "dd", "summary": "summary", "caption": "caption", "figcaption": "caption", "td": "cell",
    "th": "cell",
}  # fmt: skip
_MAX_WRAPPED = 8  # bold in italics in bold …: deeper ones are left plain, since each copies its text


@dataclass(slots=True)
class Frame:
    """An element that holds blocks. hints: its own (see hints.py). kind: its tag, and first class."""

    parent: int
    tag: str
    hints: int
    depth: int
    kind: tuple[str, str]
    item: int = -1  # which item of its list it is
    hidden: bool = False


@dataclass(slots=True)
class Block:
    """A run of text. kind: p, h, item, row, code, dt, dd, caption, cell or summary.

    level: of a heading, or how deep the list is. words, link_words, button_words: how many, and how many of
    them can be pressed. frame: the innermost one. hints: of the elements inside it. item: the frame of the
    list item that it stands in, or -1. table: its number. quoted: stands in a blockquote.
    """

    text: str
    kind: str
    frame: int
    words: int
    link_words: int = 0
    button_words: int = 0
    hints: int = 0
    level: int = 0
    item: int = -1
    table: int = -1
    quoted: bool = False


@dataclass(slots=True)
class Outline:
    """Blocks and frames of a page; a frame's parent stands before it. depth: of the deepest element."""

    blocks: list[Block] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def outline(root: Any, max_depth: int) -> Outline:
    """The blocks of a tree. Elements deeper than max_depth hold their text but are no frames, as browsers
    flatten them. What is hidden at first may be shown at a click, and only says so.
    """
    walker = _Walker(find_listings(root), max_depth)
    walker.walk(root)
    return walker.found


def words_in(text: str) -> int:
    """Words, and characters of scripts without spaces."""
    return len(_WORD.findall(text))


@dataclass(slots=True)
class _Open:
    """What is to be done at an element's end."""

    block: bool = False
    frame: bool = False
    mark: str = ""
    start: int = 0
    flushed: int = 0
    pressed: str = ""
    hints: int = 0


class _Walker:
    def __init__(self, listings: dict[Any, Listing], max_depth: int) -> None:
        self.found = Outline()
        self._listings = listings
        self._max_depth = max_depth
        self._open: list[_Open] = []
        self._frame = -1
        self._text: list[str] = []
        self._pressed: dict[str, list[str]] = {"a": [], "button": []}
        self._pressing: list[str] = []
        self._hints = 0
        self._flushed = 0
        self._marks: list[str] = []
        self._numbers: dict[int, int] = {}
        self._num_tables = 0
        self._last_inline = ""

    def walk(self, root: Any) -> None:
        steps = etree.iterwalk(root, events=("start", "end"))
        inert = None
        for event, element in steps:
            if inert is not None:
                if event == "end" and element is inert:
                    inert = None
                    self._say(element.tail)
                continue
            if event == "start":
                if self._is_whole(element):
                    inert = element
                    steps.skip_subtree()
                else:
                    self._enter(element)
                    self._say(element.text)
            else:
                self._leave()
                self._say(element.tail)
        self._flush()

    def _is_whole(self, element: Any) -> bool:
        """Whether the element is dealt with here, with all that it holds."""
        tag = element.tag
        if not isinstance(tag, str):
            return True
        if (formula := formula_of(element)) is not None:
            self._say(f" {formula} " if formula.startswith("$$") else formula)
            return True
        if tag in _LEFT_OUT or (tag == "noscript" and not _is_page_of_its_own(element)):
            return True
        if tag == "br":
            self._text.append(_BREAK)
            return True
        if tag == "img":
            return True
        if tag in _NUMBERING and is_numbering(element):
            return True
        if tag not in _BLOCKS and _is_hidden(element):
            self._say(hidden_formula(element))
            return True
        if (listing := self._listings.get(element)) is not None:
            self._flush()
            kind = "code" if listing.fenced else "pre"
            self._add(Block(listing.text, kind, self._frame, words_in(listing.text), hints=hints_of(element)))
            return True
        if tag == "table" and is_data(element):
            self._flush()
            self._enter(element)
            self._rows(element)
            self._leave()
            return True
        return False

    def _enter(self, element: Any) -> None:
        tag = element.tag
        opened = _Open()
        if tag in _BLOCKS or "-" in tag:
            opened.block = tag in _BLOCKS
            if opened.block:
                self._flush()
            if len(self._open) < self._max_depth:
                self._push(element)
                opened.frame = True
        else:
            self._enter_inline(element, opened)
        self._open.append(opened)

    def _enter_inline(self, element: Any, opened: _Open) -> None:
        tag = element.tag
        if tag in _APART and self._last_inline == tag and self._text and not self._text[-1][-1:].isspace():
            self._text.append(" ")
        opened.hints = hints_of(element)
        self._hints |= opened.hints
        if tag in ("a", "button", "label") and not self._pressing:
            opened.pressed = "a" if tag == "a" else "button"
            self._pressing.append(opened.pressed)
        mark = (
            "**" if tag in _BOLD else "*" if tag in _ITALIC else "`" if tag in _TYPEWRITER
            else tag if tag in ("sup", "sub") else ""
        )  # fmt: skip
        if mark and mark not in self._marks and len(self._marks) < _MAX_WRAPPED and "`" not in self._marks:
            opened.mark, opened.start, opened.flushed = mark, len(self._text), self._flushed
            self._marks.append(mark)
        self._last_inline = ""

    def _leave(self) -> None:
        opened = self._open.pop()
        if opened.block:
            self._flush()
        if opened.frame:
            self._frame = self.found.frames[self._frame].parent
        if opened.mark:
            self._marks.remove(opened.mark)
            if opened.flushed == self._flushed:
                inner = "".join(self._text[opened.start :])
                self._text[opened.start :] = [_wrapped(inner, opened.mark)]
        if opened.pressed:
            self._pressing.pop()
            self._last_inline = opened.pressed

    def _push(self, element: Any) -> None:
        tag = element.tag
        named = element.get("class") or ""
        item = -1
        if tag == "li":
            item = self._numbers.get(self._frame, 0) + 1
            self._numbers[self._frame] = item
        depth = self.found.frames[self._frame].depth + 1 if self._frame >= 0 else 0
        hints = hints_of(element) if tag not in ("html", "body") else 0
        hidden = tag not in ("html", "body") and (element.get("aria-hidden") == "true" or _is_hidden(element))
        self.found.frames.append(
            Frame(
                self._frame,
                tag,
                hints,
                depth,
                (tag, named.split(None, 1)[0] if named.strip() else ""),
                item,
                hidden,
            )
        )
        self._frame = len(self.found.frames) - 1

    def _say(self, text: str | None) -> None:
        if not text:
            return
        if text.isspace():
            if self._text:  # else it stands between blocks
                self._text.append(text)
            return
        self._text.append(text)
        self._last_inline = ""
        if self._pressing:
            self._pressed[self._pressing[-1]].append(text)

    def _flush(self) -> None:
        if not self._text:
            return
        text = "".join(self._text)
        self._text.clear()
        self._flushed += 1
        self._last_inline = ""
        hints, self._hints = self._hints, 0
        if text.isspace():
            return
        links, buttons = (words_in(" ".join(said)) if said else 0 for said in self._pressed.values())
        for said in self._pressed.values():
            said.clear()
        pieces = _pieces(text)
        sizes = list(map(words_in, pieces))
        for piece, num in zip(pieces, sizes, strict=True):
            share = num / max(1, sum(sizes))
            self._add(
                Block(
                    piece,
                    "p",
                    self._frame,
                    num,
                    min(num, round(links * share)),
                    min(num, round(buttons * share)),
                    hints,
                )
            )

    def _add(self, block: Block) -> None:
        """Append it, told by the frames around it what it is."""
        frames = self.found.frames
        at = block.frame
        nearest = frames[at].tag if at >= 0 else ""
        if block.kind == "p":
            block.kind = _KIND_IN.get(nearest, "p")
        steps = 0
        while at >= 0 and steps < 40:
            tag = frames[at].tag
            if tag in ("h1", "h2", "h3", "h4", "h5", "h6") and block.kind in ("p", "cell"):
                block.kind, block.level = "h", int(tag[1])
                block.text = _plain_heading(block.text)
            elif tag == "li":
                block.item = at if block.item < 0 else block.item
                block.level += block.kind != "h"
            elif tag == "blockquote":
                block.quoted = True
            elif tag in ("article", "main", "body"):
                break
            at, steps = frames[at].parent, steps + 1
        if block.text.strip(_LOST):
            self.found.blocks.append(block)

    def _rows(self, table: Any) -> None:
        self._num_tables += 1
        for row in rows_of(table, self._cell):
            text = "| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells) + " |"
            self._add(
                Block(
                    text, "row", self._frame, words_in(text), min(row.link_words, words_in(text)),
                    level=len(row.cells), table=self._num_tables,
                )
            )  # fmt: skip

    def _cell(self, cell: Any) -> str:
        """What a cell holds, on one line: the items of a list in it with a semicolon between them."""
        if not len(cell):
            return unify(_SPACES.sub(" ", _INVISIBLE.sub("", cell.text or "")).strip())
        inner = _Walker(self._listings, _CELL_DEPTH)
        inner.walk(cell)
        return _joined([block for block in inner.found.blocks if block.text])


def _is_hidden(element: Any) -> bool:
    style = element.get("style")
    return "hidden" in element.attrib or bool(style and _HIDDEN.search(style))


def _is_page_of_its_own(noscript: Any) -> bool:
    """Some applications serve their whole text, for readers without scripts, in a `noscript`."""
    if next(noscript.iterdescendants("p", "h1", "article"), None) is None:
        return False
    return sum(len(text.strip()) for text in noscript.itertext()) > _MIN_NOSCRIPT


def _plain_heading(text: str) -> str:
    text = text.replace("\n", " ")
    return text[2:-2] if text.startswith("**") and text.endswith("**") and text.count("**") == 2 else text


def _joined(blocks: list[Block]) -> str:
    out = ""
    for block in blocks:
        text = (
            " ".join(block.text.split("\n"))
            if block.kind != "code"
            else "`" + block.text.replace("\n", " ") + "`"
        )
        listed = block.item >= 0 and out and out[-1] not in ".;:,。；：，！？!?"
        out = f"{out}; {text}" if listed else f"{out} {text}" if out else text
    return out.strip()


def _pieces(text: str) -> list[str]:
    """Paragraphs: white space collapsed, a line for each single <br>, a new paragraph for two."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    if _BREAK not in text:
        return [unify(" ".join(text.split()))]
    text = _BREAKS.sub(_BREAK, _SPACES.sub(" ", text))
    found = []
    for part in re.split(f"{_BREAK}{{2,}}", text):
        lines = part.strip(f" {_BREAK}").replace(_BREAK, "\n")
        if lines:
            found.append(unify(lines))
    return found


def _wrapped(inner: str, mark: str) -> str:
    core = inner.strip(_EDGES)
    if not core or _BREAK in core:
        return inner
    at = inner.index(core)
    before, after = inner[:at], inner[at + len(core) :]
    if mark in ("sup", "sub"):
        plain = (not core[0].isalnum() and core[0] not in "+-−") or len(core) > 12
        return inner if plain else f"{before}<{mark}>{core}</{mark}>{after}"
    if mark == "`":
        if core.startswith("$") and core.endswith("$"):
            return inner
        mark = "``" if "`" in core else "`"
    elif mark[0] in core or "$" in core or not _WORD.search(core):
        return inner
    return f"{before}{mark}{core}{mark}{after}"
