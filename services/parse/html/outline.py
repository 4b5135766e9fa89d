"""From a page's tree to its blocks: one walk that says, element by element, where a block ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree

from services.parse.html.attributes import NO_CLASS, SHOWING, Class, class_says, is_dialog, is_hidden
from services.parse.html.blocks import Block, Frame, Outline
from services.parse.html.formulas import (
    FORMULA_TAGS,
    OWN_TEX,
    formula_by_attributes,
    formula_by_tag,
    hidden_formula,
    may_be_formula,
    with_asciimath,
    writes_asciimath,
)
from services.parse.html.hints import NAMING, hints_of
from services.parse.html.lines import is_numbering
from services.parse.html.listings import Listing, find_listings
from services.parse.html.tables import is_data, rows_of
from services.parse.html.wording import (
    BREAK,
    LOST,
    joined,
    one_line,
    pieces_of,
    plain_heading,
    words_in,
    wrapped,
)

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
    "link", "meta", "title", "annotation", "annotation-xml", "br", "img",
})  # fmt: skip
_BY_TAG = _LEFT_OUT | FORMULA_TAGS
# Tags and attributes of elements that _is_whole is asked of; of all others it would say no.
_LOOKED_INTO = frozenset({"noscript", "table"})
_TELLING = OWN_TEX | {"itemtype", "hidden", "style"}
_NUMBERING = frozenset({"ul", "ol", "div", "td"})
_MARKS = {
    "b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "tt": "`", "samp": "`", "kbd": "`",
    "sup": "sup", "sub": "sub",
}  # fmt: skip
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_ANEW = frozenset({"article", "main", "body"})  # what stands in these is in no list or quotation around them
_APART = frozenset({"a", "button", "label", "option", "time"})  # side by side they are words of their own
_ANCHORS = frozenset("¶#§🔗\uf0c1")  # what links to a heading from beside it
_STEM = re.compile("[0-9]")  # where the part of an id that an element has to itself begins
_CELL_DEPTH = 60
_MOST_TYPES = 20
_MIN_NOSCRIPT = 300  # characters; a plea to switch scripts on is shorter
_KIND_IN = {
    "dt": "dt", "dd": "dd", "summary": "summary", "caption": "caption", "figcaption": "caption", "td": "cell",
    "th": "cell",
}  # fmt: skip
_MAX_LOOKS = 8  # at all that an element holds, while others around it were looked at so
_MAX_WRAPPED = 8  # bold in italics in bold …: deeper ones are left plain, since each copies its text


def outline(root: Any, max_depth: int) -> Outline:
    """The blocks of a tree. Elements deeper than max_depth hold their text but are no frames, as browsers
    flatten them. What is hidden at first may be shown at a click, and only says so.
    """
    walker = _Walker(find_listings(root), max_depth, cache(lambda: writes_asciimath(root)))
    walker.walk(root)
    return walker.found


@dataclass(slots=True)
class _Open:
    """What is to be done at an element's end."""

    block: bool = False
    frame: bool = False
    mark: str = ""
    start: int = 0
    flushed: int = 0
    pressed: str = ""


_BLOCK, _BLOCK_TOO_DEEP = _Open(block=True, frame=True), _Open(block=True)
_CUSTOM, _NOTHING = _Open(frame=True), _Open()
_PRESSED = {"a": _Open(pressed="a"), "button": _Open(pressed="button"), "label": _Open(pressed="button")}


class _Walker:
    def __init__(self, listings: dict[Any, Listing], max_depth: int, asciimath: Callable[[], bool]) -> None:
        """asciimath: whether a script on the page renders it; asked where it matters, which is rare."""
        self.found = Outline()
        self._asciimath = asciimath
        self._listings = listings
        self._max_depth = max_depth
        self._open: list[_Open] = []
        self._looked_at: list[int] = []  # of the open elements, how many are around each that was
        self._frame = -1
        self._text: list[str] = []
        self._pressed: dict[str, list[str]] = {"a": [], "button": []}
        self._linked, self._pushed = self._pressed["a"], self._pressed["button"]
        self._pressing: list[str] = []
        self._hints = 0
        self._flushed = 0
        self._marks: list[str] = []
        self._numbers: dict[int, int] = {}
        self._num_tables = 0
        self._last_inline = ""

    def walk(self, root: Any) -> None:
        steps = etree.iterwalk(root, events=("start", "end"))
        open_, said = self._open, self._text
        inert = None
        for event, element in steps:
            if event == "start":
                tag = element.tag
                # Pictures and scripts have many long attributes, and their tag is enough.
                whole = tag in _BY_TAG and self._is_whole_by_tag(element, tag)
                if not whole:
                    attributes = dict(element.items())
                    says = class_says(attributes["class"]) if "class" in attributes else NO_CLASS
                    whole = (
                        says.asks
                        or tag in _LOOKED_INTO
                        or bool(self._listings)
                        or not _TELLING.isdisjoint(attributes)
                        or (tag == "a" and element.text in _ANCHORS)
                    ) and self._is_whole(element, tag, attributes, says)
                if whole:
                    if self._looked_at:
                        self._forget_looks()
                    inert = element
                    steps.skip_subtree()
                    continue
                if tag in _BLOCKS:
                    if said:
                        self._flush()
                    open_.append(self._enter_block(tag, attributes, says))
                else:
                    open_.append(self._enter_inline(tag, attributes, says))
                text = element.text
            elif inert is None:
                if (opened := open_.pop()) is not _NOTHING:
                    self._leave(opened)
                if self._looked_at:
                    self._forget_looks()
                text = element.tail
            else:
                inert = None
                text = element.tail
            if text:
                if not text.isspace():
                    self._say(text)
                elif said:  # else it stands between blocks
                    said.append(text)
        self._flush()

    def _is_whole_by_tag(self, element: Any, tag: str) -> bool:
        """Whether the element is dealt with here, with all that it holds."""
        if tag in FORMULA_TAGS and (formula := formula_by_tag(element)) is not None:
            self._say_formula(formula)
            return True
        if tag == "br":
            self._text.append(BREAK)
        return tag in _LEFT_OUT and not (tag == "template" and "shadowrootmode" in element.attrib)

    def _is_whole(self, element: Any, tag: str, attributes: Mapping[str, str], says: Class) -> bool:
        """The same, where the tag alone does not tell."""
        if attributes:
            if "itemtype" in attributes and len(self.found.item_types) < _MOST_TYPES:
                self.found.item_types.append(attributes["itemtype"])
            may_hold = says.may_hold or not OWN_TEX.isdisjoint(attributes)
            if may_hold and may_be_formula(tag, attributes) and self._may_look():
                if (formula := formula_by_attributes(element, tag, attributes)) is not None:
                    self._say_formula(formula)
                    return True
                self._looked_at.append(len(self._open))
            if tag in _NUMBERING:
                if says.numbers and self._may_look():
                    if is_numbering(element):
                        return True
                    self._looked_at.append(len(self._open))
            elif tag not in _BLOCKS and is_hidden(attributes):
                self._say_formula(hidden_formula(element))
                return True
        if tag == "a" and element.text in _ANCHORS and not len(element) and "#" in attributes.get("href", ""):
            return True
        if tag == "noscript":
            if not (self._may_look() and _is_page_of_its_own(element)):
                return True
            self._looked_at.append(len(self._open))
        if self._listings and (listing := self._listings.get(element)) is not None:
            self._flush()
            kind = "code" if listing.fenced else "pre"
            self._add(
                Block(listing.text, kind, self._frame, words_in(listing.text), hints=hints_of(attributes))
            )
            return True
        if tag == "table" and is_data(element):
            self._flush()
            opened = self._enter_block(tag, attributes, says)
            self._open.append(opened)
            self._rows(element)
            self._open.pop()
            self._leave(opened)
            return True
        return False

    def _may_look(self) -> bool:
        """Whether to look at all that an element holds: once for each of those in one another takes quadratic
        time.
        """
        return len(self._looked_at) < _MAX_LOOKS

    def _forget_looks(self) -> None:
        while self._looked_at and self._looked_at[-1] >= len(self._open):
            self._looked_at.pop()

    def _enter_block(self, tag: str, attributes: Mapping[str, str], says: Class) -> _Open:
        if len(self._open) >= self._max_depth:
            return _BLOCK_TOO_DEEP
        self._push(tag, attributes, says)
        return _BLOCK

    def _enter_inline(self, tag: str, attributes: Mapping[str, str], says: Class) -> _Open:
        if "-" in tag:
            if len(self._open) >= self._max_depth:
                return _NOTHING
            self._push(tag, attributes, says)
            return _CUSTOM
        if tag in _APART and self._last_inline == tag and self._text and not self._text[-1][-1:].isspace():
            self._text.append(" ")
        if attributes:
            self._hints |= says.hints if NAMING.isdisjoint(attributes) else hints_of(attributes)
        self._last_inline = ""
        if (pressed := _PRESSED.get(tag)) is not None and not self._pressing:
            self._pressing.append(pressed.pressed)
            return pressed
        mark = _MARKS.get(tag)
        if mark and mark not in self._marks and len(self._marks) < _MAX_WRAPPED and "`" not in self._marks:
            self._marks.append(mark)
            return _Open(mark=mark, start=len(self._text), flushed=self._flushed)
        return _NOTHING

    def _leave(self, opened: _Open) -> None:
        if opened.block and self._text:
            self._flush()
        if opened.frame:
            self._frame = self.found.frames[self._frame].parent
            return
        if opened.mark:
            self._marks.remove(opened.mark)
            if opened.flushed == self._flushed:
                inner = "".join(self._text[opened.start :])
                self._text[opened.start :] = [wrapped(inner, opened.mark)]
        if opened.pressed:
            self._pressing.pop()
            self._last_inline = opened.pressed

    def _push(self, tag: str, attributes: Mapping[str, str], says: Class) -> None:
        frames = self.found.frames
        hints, hidden, dialog, stem = 0, False, tag == "dialog", ""
        if attributes and tag not in ("html", "body"):
            hints = says.hints if NAMING.isdisjoint(attributes) else hints_of(attributes)
            if not SHOWING.isdisjoint(attributes):
                hidden = attributes.get("aria-hidden") == "true" or is_hidden(attributes)
                dialog = dialog or is_dialog(attributes)
            if not says.first and "id" in attributes:
                stem = _STEM.split(attributes["id"], 1)[0]
        if self._frame < 0:
            frame = Frame(-1, tag, hints, 0, (tag, says.first), -1, hidden, dialog)
        else:
            around = frames[self._frame]
            depth = around.depth + 1
            if tag in _ANEW:
                frame = Frame(self._frame, tag, hints, depth, (tag, says.first), -1, hidden, dialog)
            else:
                frame = Frame(
                    self._frame, tag, hints, depth, (tag, says.first), -1, hidden, dialog,
                    around.heading, around.inside, around.lists, around.quoted,
                )  # fmt: skip
        if tag == "li":
            given = _number(attributes.get("value"))
            frame.item = given if given is not None else self._numbers.get(self._frame, 0) + 1
            self._numbers[self._frame] = frame.item
            frame.inside, frame.lists = len(frames), frame.lists + 1
        elif tag == "ol" and (first := _number(attributes.get("start"))) is not None:
            self._numbers[len(frames)] = first - 1
        elif tag in _HEADINGS:
            frame.heading = int(tag[1])
        elif tag == "blockquote":
            frame.quoted = True
        frame.stem = stem
        self._frame = len(frames)
        frames.append(frame)

    def _say(self, text: str) -> None:
        """Text that is not white space alone."""
        self._text.append(self._read(text) if "`" in text else text)
        self._last_inline = ""
        if self._pressing:
            self._pressed[self._pressing[-1]].append(text)

    def _say_formula(self, formula: str) -> None:
        if formula:
            self._say(f" {formula} " if formula.startswith("$$") else formula)

    def _read(self, text: str) -> str:
        """With formulas in AsciiMath as LaTeX, if there are any."""
        if "`" not in text or "`" in self._marks or not self._asciimath():
            return text
        return with_asciimath(text)

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
        links = _words_of(self._linked) if self._linked else 0
        buttons = _words_of(self._pushed) if self._pushed else 0
        pieces = pieces_of(text)
        if len(pieces) == 1:
            num = words_in(pieces[0])
            self._add(Block(pieces[0], "p", self._frame, num, min(num, links), min(num, buttons), hints))
            return
        sizes = list(map(words_in, pieces))
        whole = max(1, sum(sizes))
        for piece, num in zip(pieces, sizes, strict=True):
            linked = links and min(num, round(links * (num / whole)))
            pressed = buttons and min(num, round(buttons * (num / whole)))
            self._add(Block(piece, "p", self._frame, num, linked, pressed, hints))

    def _add(self, block: Block) -> None:
        """Append it, told by the frames around it what it is."""
        if not block.text.strip(LOST):
            return
        self.found.blocks.append(block)
        if block.frame < 0:
            return
        around = self.found.frames[block.frame]
        if block.kind == "p":
            block.kind = _KIND_IN.get(around.tag, "p")
        if around.heading and block.kind in ("p", "cell"):
            block.kind, block.level, block.text = "h", around.heading, plain_heading(block.text)
        elif block.kind != "row":
            block.level += around.lists
        block.item, block.quoted = around.inside, around.quoted

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
            return one_line(self._read(cell.text or ""))
        inner = _Walker(self._listings, _CELL_DEPTH, self._asciimath)
        inner.walk(cell)
        return joined([block for block in inner.found.blocks if block.text])


def _words_of(said: list[str]) -> int:
    """Words since the last call that links or buttons hold."""
    num = words_in(" ".join(said))
    said.clear()
    return num


def _number(value: str | None) -> int | None:
    return int(value) if value and len(value) < 6 and value.isascii() and value.isdigit() else None


def _is_page_of_its_own(noscript: Any) -> bool:
    """Some applications serve their whole text, for readers without scripts, in a `noscript`."""
    if next(noscript.iterdescendants("p", "h1", "article"), None) is None:
        return False
    return sum(len(text.strip()) for text in noscript.itertext()) > _MIN_NOSCRIPT
