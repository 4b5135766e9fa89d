"""PowerPoint: slides in their order, each with its title, text, tables, formulas and notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.parse import markdown
from services.parse.charset import strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.office.math import latex
from services.parse.office.package import Package, attribute, child, chosen, inside, local, number

_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"dt", "ftr", "hdr", "sldNum", "sldImg"})
_LISTS = frozenset({"body", "obj", ""})  # placeholders whose paragraphs have bullets unless they say no


def parse_pptx(body: bytes, config: ParseConfig) -> Parsed:
    """All slides. Raises Unparseable(broken, encrypted, too_large, too_many_pages, too_deep, no_text)."""
    package = Package(body, config)
    main = package.main()
    slides = list(_slides(package, main))
    if len(slides) > config.max_pages:
        raise Unparseable("too_many_pages", "slides", len(slides), config.max_pages)
    try:
        blocks = [block for name in slides for block in _slide(package, name)]
    except RecursionError as error:
        raise Unparseable("too_deep", "groups in groups") from error
    text, _ = strip_controls("\n\n".join(filter(None, blocks)))
    if not text.strip():
        raise Unparseable("no_text", "nothing but pictures or empty slides")
    return Parsed(text, pages=max(1, len(slides)))


def _slides(package: Package, main: str) -> Iterator[str]:
    relations = package.relations(main)
    for each in inside(package.tree(main), "sldIdLst"):
        # It has an id of its own beside that of the relation, which alone stands in a namespace.
        named = next((value for key, value in each.attrib.items() if key.endswith("}id")), "")
        if named in relations and relations[named].target in package:
            yield relations[named].target


def _slide(package: Package, name: str) -> Iterator[str]:
    yield from _shapes(package, name, _tree_of(package, name))
    notes = package.related(name, "notesSlide")
    for shape in _tree_of(package, notes) if notes else ():
        if _placeholder(shape) == "body":
            said = "\n".join(_paragraphs(shape, listed=False)).strip()
            yield "\n".join(f"> {line}".rstrip() for line in said.splitlines())


def _tree_of(package: Package, name: str) -> Any:
    return inside(package.tree(name), "cSld", "spTree")


def _shapes(package: Package, slide: str, tree: Any) -> Iterator[str]:
    for shape in tree:
        name = local(shape)
        if name == "grpSp":
            yield from _shapes(package, slide, shape)
        elif name == "AlternateContent":
            yield from _shapes(package, slide, chosen(shape))
        elif name == "graphicFrame":
            yield from _graphic(package, slide, shape)
        elif name == "sp" and (kind := _placeholder(shape)) not in _FURNITURE:
            lines = list(_paragraphs(shape, listed=kind in _LISTS))
            text = "\n".join(lines)
            yield "## " + " ".join(text.split()) if kind in _TITLES and text.strip() else text.strip("\n")


def _placeholder(shape: Any) -> str | None:
    """Its type ("" where it has none, which is an object's), or None for a shape of its own."""
    found = child(shape, "nvSpPr", "nvPr", "ph")
    return None if found is None else found.get("type", "")


def _graphic(package: Package, slide: str, frame: Any) -> Iterator[str]:
    for each in inside(frame, "graphic", "graphicData"):
        if local(each) == "tbl":
            rows = (row for row in each if local(row) == "tr")
            yield markdown.table([dict(enumerate(map(_cell, row.iterfind("{*}tc")))) for row in rows])
        elif local(each) == "relIds":  # a diagram, whose texts lie in a part of their own
            part = package.relations(slide).get(attribute(each, "dm") or "")
            if part is not None and part.target in package:
                texts = (_body(body) for body in package.tree(part.target).iterfind(".//{*}pt/{*}t"))
                yield "\n".join(f"- {text}" for text in texts if text)


def _cell(element: Any) -> str:
    if element.get("hMerge") == "1" or element.get("vMerge") == "1":
        return ""
    return _body(inside(element, "txBody"))


def _body(body: Any) -> str:
    return " ".join(" ".join("".join(_runs(each)).split()) for each in body if local(each) == "p").strip()


def _paragraphs(shape: Any, *, listed: bool) -> Iterator[str]:
    for each in inside(shape, "txBody"):
        if local(each) != "p":
            continue
        text = "".join(_runs(each)).strip()
        if not text:
            continue
        properties = child(each, "pPr")
        marker = _bullet(properties, listed=listed)
        depth = 0 if properties is None else min(number(properties.get("lvl"), 0), 8)
        yield "  " * depth + marker + " ".join(text.split()) if marker else text


def _bullet(properties: Any | None, *, listed: bool) -> str:
    own = {local(each) for each in properties} if properties is not None else set()
    if own & {"buChar", "buAutoNum", "buBlip"}:
        return "- "
    return "- " if listed and "buNone" not in own else ""


def _runs(paragraph: Any) -> Iterator[str]:
    for each in paragraph:
        name = local(each)
        if name in ("r", "fld"):
            text = child(each, "t")
            yield (text.text or "") if text is not None else ""
        elif name == "br":
            yield "\n"
        elif name in ("oMath", "oMathPara"):
            yield f"${latex(each)}$"
        elif name == "AlternateContent":
            yield from _runs(chosen(each))
        elif name in ("m", "Choice"):  # a14:m, around a formula
            yield from _runs(each)
