"""Word: headings, lists, tables, formulas and footnotes in the order of the text.

Headings and lists are told by styles and numbering, not by looks. What was deleted under revision, hidden
text, hints of fields that nobody filled, tables of contents, comments, and heads and feet of pages are left
out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.parse import markdown
from services.parse.charset import strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.html.wording import wrapped
from services.parse.office.math import latex
from services.parse.office.package import Package, attribute, child, chosen, inside, local, number

_THROUGH = frozenset(
    {"ins", "moveTo", "hyperlink", "smartTag", "customXml", "sdt", "sdtContent", "fldSimple", "bdo", "dir"}
)
_CHARACTERS = {"tab": "\t", "cr": "\n", "noBreakHyphen": "-"}
_NOTES = {"footnoteReference": "footnote", "endnoteReference": "endnote"}
_HEADING = re.compile(r"(?:heading|标题) ?([1-9])", re.IGNORECASE)
_CODE = re.compile(r"\bcode\b|preformatted|代码", re.IGNORECASE)
_CONTENTS = re.compile(r"toc ?\d|table of figures", re.IGNORECASE)
_RULES = re.compile(r"\n\|(?: --- \|)+|(?<!\\)\||\n")  # between cells and rows of Markdown
_OFF = frozenset({"0", "false", "off"})
_SCRIPTS = {"superscript": "sup", "subscript": "sub"}
# The letters of the font Symbol by their codes (Adobe's encoding of that name), written from U+F000 on.
_GREEK = dict(
    zip(
        "ABGDEZHQIKLMNXOPRSTUFCYWabgdezhqiklmnxoprVstufcyw",
        "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρςστυφχψω",
        strict=True,
    )
)
_PROSE, _ITEM, _LISTING, _TABLE = "prose", "item", "listing", "table"


class _Block(NamedTuple):
    kind: str
    text: str


@dataclass
class _Style:
    """What a style says of its paragraphs, with what it inherits. level: of a heading, 1 to 9; 0: none."""

    name: str = ""
    level: int = 0
    list: tuple[str, int] | None = None  # numId and depth


@dataclass
class _Word:
    """One document while it is read."""

    styles: dict[str, _Style]
    markers: dict[str, dict[int, bool]]  # by numId and depth: whether numbers are shown, or bullets
    counts: dict[str, Counter[int]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)  # kind and id, in the order of the text

    def blocks(self, element: Any) -> Iterator[_Block]:
        """Of what may hold paragraphs and tables."""
        for each in element:
            name = local(each)
            if name == "p":
                yield from self._paragraph(each)
            elif name == "tbl":
                yield from self._table(each)
            elif name == "AlternateContent":
                yield from self.blocks(chosen(each))
            elif name in _THROUGH and not _is_hint(each):
                yield from self.blocks(each)

    def _paragraph(self, element: Any) -> Iterator[_Block]:
        properties = child(element, "pPr")
        style = self._style(properties)
        if _CONTENTS.match(style.name):
            return
        boxes: list[Any] = []
        text = "".join(self._inline(element, boxes))
        if _CODE.search(style.name):
            yield _Block(_LISTING, text.rstrip())
        elif text := text.strip():
            yield self._written(text, style)
        for box in boxes:
            yield from self.blocks(box)

    def _written(self, text: str, style: _Style) -> _Block:
        if style.level:
            return _Block(_PROSE, "#" * min(style.level, 6) + " " + " ".join(text.split()))
        if style.list is None or (marker := self._marker(*style.list)) is None:
            return _Block(_PROSE, text)
        return _Block(_ITEM, "  " * min(style.list[1], 8) + marker + " ".join(text.split()))

    def _style(self, properties: Any | None) -> _Style:
        """The paragraph's own properties over those of its style."""
        if properties is None:
            return self.styles.get("", _Style())
        named = child(properties, "pStyle")
        style = self.styles.get((named is not None and attribute(named, "val")) or "", _Style())
        own = _list_of(properties, style.list)
        return _Style(style.name, _outline(properties) or style.level, own)

    def _marker(self, name: str, depth: int) -> str | None:
        shown = self.markers.get(name, {}).get(depth)
        if shown is None:
            return None
        counts = self.counts.setdefault(name, Counter())
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        counts[depth] += 1
        return f"{counts[depth]}. " if shown else "- "

    def _inline(self, element: Any, boxes: list[Any]) -> Iterator[str]:
        for each in element:
            name = local(each)
            if name == "r":
                hidden = child(each, "rPr", "vanish")
                if hidden is None or attribute(hidden, "val") in _OFF:
                    yield self._script(each, "".join(self._run(each, boxes)))
            elif name in ("oMath", "oMathPara"):
                formula = latex(each)
                yield f"$${formula}$$" if name == "oMathPara" else f"${formula}$"
            elif name == "AlternateContent":
                yield from self._inline(chosen(each), boxes)
            elif name in _THROUGH and not _is_hint(each):
                yield from self._inline(each, boxes)

    def _script(self, run: Any, text: str) -> str:
        """Raised and lowered figures are marked as HTML's."""
        found = child(run, "rPr", "vertAlign")
        mark = _SCRIPTS.get((found is not None and attribute(found, "val")) or "")
        return wrapped(text, mark) if mark and "[^" not in text else text

    def _run(self, element: Any, boxes: list[Any]) -> Iterator[str]:
        for each in element:
            name = local(each)
            if name == "t":
                yield each.text or ""
            elif name in _CHARACTERS:
                yield _CHARACTERS[name]
            elif name == "br":
                yield "" if attribute(each, "type") in ("page", "column") else "\n"
            elif name == "sym":
                yield _symbol(each)
            elif name in _NOTES:
                self.notes.append((_NOTES[name], attribute(each, "id") or ""))
                yield f"[^{len(self.notes)}]"
            elif name == "ruby":
                yield from self._inline(inside(each, "rubyBase"), boxes)
            elif name == "AlternateContent":
                yield from self._run(chosen(each), boxes)
            elif name in ("drawing", "pict", "object"):
                boxes += _boxes(each)

    def _table(self, element: Any) -> Iterator[_Block]:
        rows = [list(_cells(row)) for row in _rows(element)]
        if all(len(row) < 2 for row in rows):  # a frame around paragraphs
            for row in rows:
                for cell in row:
                    yield from self.blocks(cell)
            return
        yield _Block(_TABLE, markdown.table([self._row(row) for row in rows]))

    def _row(self, cells: list[Any]) -> dict[int, str]:
        """Texts of its cells by column; of those merged with the ones above none."""
        texts: dict[int, str] = {}
        column = 0
        for cell in cells:
            properties = child(cell, "tcPr")
            merged = None if properties is None else child(properties, "vMerge")
            if merged is None or attribute(merged, "val") == "restart":
                texts[column] = " ".join(map(_in_a_cell, self.blocks(cell)))
            column += max(1, _value(properties, "gridSpan", 1))
        return texts


def parse_docx(body: bytes, config: ParseConfig) -> Parsed:
    """All of a document. Raises Unparseable(broken, encrypted, too_large, too_deep, no_text)."""
    package = Package(body, config)
    main = package.main()
    word = _Word(_styles(package, main), _markers(package, main))
    try:
        root = child(package.tree(main), "body")
        if root is None:
            raise Unparseable("broken", f"{main} has no body")
        blocks = list(word.blocks(root))
        notes = _notes(package, main, word)
    except RecursionError as error:
        raise Unparseable("too_deep", "tables in tables") from error
    text, _ = strip_controls("\n\n".join(filter(None, (_joined(blocks), *notes))))
    if not text.strip():
        raise Unparseable("no_text", "nothing but pictures or empty paragraphs")
    return Parsed(text)


def _joined(blocks: list[_Block]) -> str:
    """Items of a list line by line, lines of a listing in one fence, the rest apart."""
    pieces: list[str] = []
    last = ""
    listing: list[str] = []
    for block in [*blocks, _Block("", "")]:
        if block.kind == _LISTING:
            listing.append(block.text)
            continue
        if any(listing):
            pieces += ["\n\n", markdown.fence("\n".join(listing).strip("\n"))]
            last = _LISTING
        listing = []
        if block.text:
            pieces += ["\n" if block.kind == last == _ITEM else "\n\n", block.text]
            last = block.kind
    return "".join(pieces[1:])


def _notes(package: Package, main: str, word: _Word) -> Iterator[str]:
    """Footnotes and endnotes that the text refers to, in its order; a note in a note is not looked for."""
    found: dict[tuple[str, str], Any] = {}
    for kind in {kind for kind, _ in word.notes}:
        if part := package.related(main, kind + "s"):
            found |= {(kind, attribute(note, "id") or ""): note for note in package.tree(part)}
    for index, reference in enumerate(list(word.notes), 1):
        if (note := found.get(reference)) is not None:
            yield f"[^{index}]: " + " ".join(block.text for block in word.blocks(note))


def _styles(package: Package, main: str) -> dict[str, _Style]:
    """By id; that of "" is the default."""
    part = package.related(main, "styles")
    elements = [each for each in package.tree(part) if local(each) == "style"] if part else []
    by_id = {attribute(each, "styleId") or "": each for each in elements}
    styles = {identifier: _inherited(by_id, identifier) for identifier in by_id}
    for identifier, each in by_id.items():
        if attribute(each, "type") == "paragraph" and attribute(each, "default") in ("1", "true", "on"):
            styles[""] = styles[identifier]
    return styles


def _inherited(by_id: dict[str, Any], identifier: str) -> _Style:
    style = _Style()
    seen = set()
    while identifier in by_id and identifier not in seen:
        seen.add(identifier)
        element = by_id[identifier]
        named, base = child(element, "name"), child(element, "basedOn")
        name = (named is not None and attribute(named, "val")) or identifier
        style.name = style.name or name
        properties = child(element, "pPr")
        if not style.level:
            heading = _HEADING.fullmatch(name)
            style.level = int(heading[1]) if heading else int(name.lower() in ("title", "标题"))
            style.level = style.level or (_outline(properties) if properties is not None else 0)
        if properties is not None:
            style.list = style.list or _list_of(properties, None)
        identifier = (base is not None and attribute(base, "val")) or ""
    return style


def _outline(properties: Any) -> int:
    """Level of a heading by the outline level, 0 for the body's (ECMA-376 part 1, 17.3.1.20)."""
    level = _value(properties, "outlineLvl", 9)
    return level + 1 if level < 9 else 0


def _list_of(properties: Any, inherited: tuple[str, int] | None) -> tuple[str, int] | None:
    found = child(properties, "numPr")
    if found is None:
        return inherited
    own = child(found, "numId")
    named = attribute(own, "val") if own is not None else (inherited and inherited[0])
    return (named, _value(found, "ilvl", 0)) if named else None


def _markers(package: Package, main: str) -> dict[str, dict[int, bool]]:
    part = package.related(main, "numbering")
    if part is None:
        return {}
    abstract: dict[str, dict[int, bool]] = {}
    markers: dict[str, dict[int, bool]] = {}
    for each in package.tree(part):
        name = local(each)
        if name == "abstractNum":
            abstract[attribute(each, "abstractNumId") or ""] = dict(_levels(each))
        elif name == "num" and (points_to := child(each, "abstractNumId")) is not None:
            markers[attribute(each, "numId") or ""] = abstract.get(attribute(points_to, "val") or "", {})
    return markers


def _levels(element: Any) -> Iterator[tuple[int, bool]]:
    for each in element:
        if local(each) == "lvl":
            shape = child(each, "numFmt")
            kind = None if shape is None else attribute(shape, "val")
            if kind != "none":
                yield number(attribute(each, "ilvl"), 0), kind != "bullet"


def _boxes(element: Any) -> Iterator[Any]:
    """Boxes of text in a drawing; those in a box are found when it is read."""
    for each in element:
        if local(each) == "txbxContent":
            yield each
        else:
            yield from _boxes(chosen(each) if local(each) == "AlternateContent" else each)


def _in_a_cell(block: _Block) -> str:
    """A table in a cell is its cells' texts: Markdown has none in another."""
    if block.kind != _TABLE:
        return block.text
    return " ".join(_RULES.sub(" ", block.text).replace("\\|", "|").split())


def _is_hint(element: Any) -> bool:
    """A field with the hint of its template, as "Click here to enter text"."""
    return child(element, "sdtPr", "showingPlcHdr") is not None


def _symbol(element: Any) -> str:
    """A character by its font's own code: of Symbol the Greek letters; other fonts are pictures."""
    code = attribute(element, "char") or ""
    if attribute(element, "font") != "Symbol" or not re.fullmatch("[0-9A-Fa-f]{1,4}", code):
        return ""
    return _GREEK.get(chr(int(code, 16) & 0xFF), "")


def _rows(element: Any) -> Iterator[Any]:
    for each in element:
        if local(each) == "tr":
            yield each
        elif local(each) in _THROUGH:
            yield from _rows(each)


def _cells(element: Any) -> Iterator[Any]:
    for each in element:
        if local(each) == "tc":
            yield each
        elif local(each) in _THROUGH:
            yield from _cells(each)


def _value(properties: Any | None, name: str, default: int) -> int:
    """The number that a property has; the default where it has none."""
    found = None if properties is None else child(properties, name)
    return default if found is None else number(attribute(found, "val"), default)
