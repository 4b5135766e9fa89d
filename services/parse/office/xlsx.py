"""Excel: visible sheets as tables, within bounds; values as they are shown, and what formulas came to.

Cells apart by an empty row are tables of their own; a column alone is lines of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.parse import markdown
from services.parse.charset import strip_controls
from services.parse.config import ParseConfig, Parsed, Unparseable
from services.parse.office.package import Package, attribute, child, inside, local, number

_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_DATE, _TIME, _LASTING, _PERCENT = "date", "time", "lasting", "percent"
# Formats that a file need not spell out (ECMA-376 part 1, 18.8.30); 27 to 36 and 50 to 58 are East Asia's.
_BUILT_IN = (
    dict.fromkeys([*range(14, 18), *range(27, 37), *range(50, 59)], _DATE)
    | {22: _DATE}
    | dict.fromkeys([*range(18, 22), 45, 47], _TIME)
    | {46: _LASTING}
    | dict.fromkeys([9, 10], _PERCENT)
)
_HOURS = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)  # that go on past a day
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_LAST_DAY = 2_958_466  # of the year 9999
_SHOWN_DIGITS = 11  # Excel's General shows as many


@dataclass(frozen=True)
class _Book:
    strings: list[str]
    formats: list[str]  # by style: how a number is shown
    epoch: datetime


def parse_xlsx(body: bytes, config: ParseConfig) -> Parsed:
    """Sheets in order. Raises Unparseable(broken, encrypted, too_large, no_text)."""
    package = Package(body, config)
    main = package.main()
    root = package.tree(main)
    properties = child(root, "workbookPr")
    dates_of_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    epoch = datetime(1904, 1, 1) if dates_of_1904 else datetime(1899, 12, 30)
    book = _Book(_strings(package, main), _formats(package, main), epoch)
    left = config.max_cells
    pieces: list[str] = []
    sheets = list(_sheets(package, main, root))
    for title, part in sheets:
        used, text = _sheet(package, part, book, left)
        left -= used
        if text:
            pieces += [f"## {title}", text] if len(sheets) > 1 else [text]
        if left < 0:
            break
    text, _ = strip_controls("\n\n".join(pieces))
    if not text.strip():
        raise Unparseable("no_text", "its sheets have no text")
    return Parsed(text, pages=max(1, len(sheets)), partial=left < 0)


def _sheets(package: Package, main: str, root: Any) -> Iterator[tuple[str, str]]:
    """Names and parts of those that are shown."""
    relations = package.relations(main)
    for each in inside(root, "sheets"):
        relation = relations.get(attribute(each, "id") or "")
        shown = each.get("state", "visible") == "visible"
        if shown and relation and relation.kind == "worksheet" and relation.target in package:
            yield " ".join(each.get("name", "").split()), relation.target


def _sheet(package: Package, part: str, book: _Book, most: int) -> tuple[int, str]:
    """(cells with a value, tables) of a sheet up to the row that goes beyond `most` cells."""
    tables: list[list[dict[int, str]]] = [[]]
    used = last = 0
    for row in package.each(part, "row"):
        cells = dict(_cells(row, book))
        place = number(row.get("r"), last + 1)
        if not cells:
            continue
        used += len(cells)
        if used > most:
            break
        if place > last + 1:
            tables.append([])
        last = place
        tables[-1].append(cells)
    return used, "\n\n".join(filter(None, map(markdown.table, tables)))


def _cells(row: Any, book: _Book) -> Iterator[tuple[int, str]]:
    """Columns from 1 and texts of the cells that have one."""
    column = 0
    for cell in row:
        if local(cell) != "c":
            continue
        place = _REFERENCE.fullmatch(cell.get("r", ""))
        column = _column(place[1]) if place else column + 1
        if text := _text(cell, book).strip():
            yield column, text


def _column(letters: str) -> int:
    column = 0
    for letter in letters:
        column = 26 * column + ord(letter) - ord("A") + 1
    return column


def _text(cell: Any, book: _Book) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _string(inside(cell, "is"))
    found = child(cell, "v")
    value = "" if found is None else (found.text or "").strip()
    if kind == "s":
        return _at(book.strings, value)
    if kind == "b":
        return {"1": "TRUE", "0": "FALSE"}.get(value, value)
    if kind == "n" and value:
        return _shown(value, _at(book.formats, cell.get("s", "0")), book.epoch)
    return "" if kind == "e" else value


def _at(known: list[str], place: str) -> str:
    index = number(place, len(known))
    return known[index] if index < len(known) else ""


def _shown(value: str, shown_as: str, epoch: datetime) -> str:
    try:
        amount = float(value)
    except ValueError:
        return value
    if shown_as == _PERCENT:
        return f"{100 * amount:.{_SHOWN_DIGITS}g}%"
    if shown_as == _LASTING and abs(amount) < _LAST_DAY:
        minutes, seconds = divmod(round(abs(amount) * 86400), 60)
        return f"{'-' * (amount < 0)}{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    if shown_as and 0 <= amount < _LAST_DAY - 1463:  # both epochs end in the year 9999
        moment = epoch + timedelta(seconds=round(amount * 86400))
        if shown_as == _TIME and amount < 1:
            return f"{moment:%H:%M:%S}"
        return f"{moment:%Y-%m-%d}" if amount == int(amount) else f"{moment:%Y-%m-%d %H:%M:%S}"
    return value if value.lstrip("-").isdecimal() else f"{amount:.{_SHOWN_DIGITS}g}"


def _strings(package: Package, main: str) -> list[str]:
    part = package.related(main, "sharedStrings")
    return [_string(each) for each in package.each(part, "si")] if part else []


def _string(element: Any) -> str:
    """Its text or runs of text, without how East Asian ones are pronounced."""
    pieces = []
    for each in element:
        found = each if local(each) == "t" else child(each, "t") if local(each) == "r" else None
        pieces.append((found.text or "") if found is not None else "")
    return "".join(pieces)


def _formats(package: Package, main: str) -> list[str]:
    part = package.related(main, "styles")
    if part is None:
        return []
    root = package.tree(part)
    own = {each.get("numFmtId"): _kind(each.get("formatCode", "")) for each in inside(root, "numFmts")}
    kinds = []
    for each in inside(root, "cellXfs"):
        name = each.get("numFmtId", "0")
        kinds.append(own[name] if name in own else _BUILT_IN.get(number(name, 0), ""))
    return kinds


def _kind(code: str) -> str:
    """How a format code shows a number."""
    if _HOURS.search(code):
        return _LASTING
    letters = set(_LITERAL.sub("", code).lower())
    if letters & set("yd") or ("m" in letters and not letters & set("0#hs")):
        return _DATE
    if letters & set("hs"):
        return _TIME
    return _PERCENT if "%" in letters else ""
