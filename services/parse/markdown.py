"""Pieces of Markdown that several kinds of document are written as."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TICKS = re.compile(r"`{3,}")
_SPACE = re.compile(r"\s+")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a table, the first as its head; without rows and columns that are empty.

    What stands in one column alone is lines, since it is no table. "" where all cells are empty.
    """
    cleaned = [[_SPACE.sub(" ", cell).strip() for cell in row] for row in rows]
    width = max(map(len, cleaned), default=0)
    used = [column for column in range(width) if any(len(row) > column and row[column] for row in cleaned)]
    kept = [[row[column] if column < len(row) else "" for column in used] for row in cleaned if any(row)]
    if len(used) < 2:
        return "\n".join(row[0] for row in kept)
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in kept]
    lines.insert(1, "|" + " --- |" * len(used))
    return "\n".join(lines)


def fence(code: str, language: str = "") -> str:
    """A block of code, fenced by more ticks than stand in it."""
    ticks = "`" * max(3, 1 + max(map(len, _TICKS.findall(code)), default=0))
    return f"{ticks}{language}\n{code}\n{ticks}"
