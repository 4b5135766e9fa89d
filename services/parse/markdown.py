"""Pieces of Markdown that several kinds of document are written as."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_TICKS = re.compile(r"`{3,}")
_SPACE = re.compile(r"\s+")
_MOST_EMPTY = 20  # places of a table for each cell that holds something


def table(rows: Sequence[Mapping[int, str]]) -> str:
    """Rows of cells by column as a table, the first as its head; without rows and columns that are empty.

    What stands in one column alone is lines, since it is no table; so are cells so far apart that a table
    would be mostly empty, which bounds it. "" where all cells are empty.
    """
    kept = [row for row in map(_filled, rows) if row]
    columns = sorted({column for row in kept for column in row})
    num_cells = sum(map(len, kept))
    if len(columns) < 2 or len(columns) * len(kept) > _MOST_EMPTY * num_cells:
        return "\n".join(" ".join(row[column] for column in sorted(row)) for row in kept)
    lines = [f"| {' | '.join(row.get(column, '') for column in columns)} |" for row in kept]
    lines.insert(1, "|" + " --- |" * len(columns))
    return "\n".join(lines)


def _filled(row: Mapping[int, str]) -> dict[int, str]:
    cells = ((column, _SPACE.sub(" ", cell).strip()) for column, cell in row.items())
    return {column: cell.replace("|", "\\|") for column, cell in cells if cell}


def fence(code: str, language: str = "") -> str:
    """A block of code, fenced by more ticks than stand in it."""
    ticks = "`" * max(3, 1 + max(map(len, _TICKS.findall(code)), default=0))
    return f"{ticks}{language}\n{code}\n{ticks}"
