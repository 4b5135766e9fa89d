"""Tables of data, told from tables that lay out a page, and their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from services.parse.html.hints import POST, hints_of

_STRUCTURE = ("table", "h1", "h2", "h3", "form", "article", "section", "iframe")
_LONGEST_CELL = 1500  # characters; a cell of more holds a text and not a value
_LONG_PARAGRAPHS = 200  # in one of two columns
_USUAL_CELL = 160
_MAX_SPAN = 50
_MAX_CELLS = 20_000

# Cells of Discuz! to 7, vBulletin 3, SMF and Invision, by their class or id.
_POST = re.compile(r"(?:^|[\s_-])post(?:s|ed|er|_?author|content|body|text|message)?(?:$|[\s_\d-])")


@dataclass(frozen=True, slots=True)
class Row:
    """Texts of a row's cells, as many in each row of a table; words of them that are links."""

    cells: list[str]
    link_words: int


def is_data(table: Any) -> bool:
    """At least two rows of at least two cells that hold values: short on average, none a page of its own,
    none a post or who wrote it, as forums lay a post out, nor lines of code, which no cell of Markdown holds.
    """
    if table.get("role") == "presentation" or next(table.iterdescendants(*_STRUCTURE), None) is not None:
        return False
    if _holds_listing(table):
        return False
    sizes = []
    wide_rows = 0
    for row in table.iter("tr"):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        wide_rows += len(cells) > 1
        for cell in cells:
            if _POST.search(f"{cell.get('class', '')} {cell.get('id', '')}".lower()):
                return False
            texts = cell.itertext() if len(cell) else (cell.text or "",)
            sizes.append(sum(map(len, map(str.strip, texts))))
            paragraphs = sum(1 for _ in cell.iterchildren("p")) if len(cell) else 0
            longest = _LONGEST_CELL if len(cells) > 2 or not paragraphs else _LONG_PARAGRAPHS
            if sizes[-1] > longest or paragraphs > 4:
                return False
        if len(sizes) > _MAX_CELLS:
            return True
    filled = [size for size in sizes if size]
    if wide_rows < 2 or len(filled) < 3 or sum(filled) > _USUAL_CELL * len(filled):
        return False
    return not any(hints_of(element.attrib) & POST for element in table.iterdescendants("div", "span"))


def _holds_listing(table: Any) -> bool:
    """Whether a `pre` in it has several lines; what stands in another is part of that one."""
    if next(table.iterdescendants("pre"), None) is None:
        return False
    outermost = etree.iterwalk(table, events=("start",), tag="pre")
    for _, pre in outermost:
        outermost.skip_subtree()
        if "\n" in "".join(pre.itertext()).strip():
            return True
    return False


def rows_of(table: Any, text_of: Callable[[Any], str]) -> Iterator[Row]:
    """Rows that hold anything; a cell over several columns or rows is written once, the others are empty."""
    below: dict[int, int] = {}  # columns that a cell above goes on through, and for how many rows
    rows = []
    for row in table.iter("tr"):
        cells: list[str] = []
        links = 0
        for cell in row:
            if cell.tag not in ("td", "th"):
                continue
            _fill(cells, below)
            cells.append(text_of(cell))
            if len(cell):
                links += sum(len("".join(link.itertext()).split()) for link in cell.iter("a"))
            rowspan, colspan = _span(cell, "rowspan"), _span(cell, "colspan")
            if rowspan > 1:
                below |= {len(cells) - 1 + i: rowspan - 1 for i in range(colspan)}
            cells += [""] * (colspan - 1)
        _fill(cells, below)
        if any(cells):
            rows.append(Row(cells, links))
    width = max((len(row.cells) for row in rows), default=0)
    # Columns that are empty throughout are spacers.
    used = [i for i in range(width) if any(i < len(row.cells) and row.cells[i] for row in rows)]
    for row in rows:
        yield Row([row.cells[i] if i < len(row.cells) else "" for i in used], row.link_words)


def _fill(cells: list[str], below: dict[int, int]) -> None:
    while (left := below.get(len(cells), 0)) > 0:
        below[len(cells)] = left - 1
        cells.append("")


def _span(cell: Any, name: str) -> int:
    value = cell.get(name)
    if value is None:
        return 1
    return min(int(value), _MAX_SPAN) if value.isascii() and value.isdigit() and int(value[:4]) else 1
