"""Rows on a screen, in pages where they are more than it holds; as JSON lines; as CSV."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

_BY_END = {"source", "part", "file"}  # what tells them apart is their end
_WHOLE = {"text", "from"}  # over several lines where the room is short: a setting's name is typed again
_NO_SCREEN = 120  # columns, of what is read by a program or kept in a file
_WIDEST = 24  # characters; wider columns share the room that is left


def print_rows(
    columns: Sequence[str], found: Iterable[dict[str, Any]], *, as_json: bool, as_csv: bool
) -> None:
    """To standard output, with these columns."""
    if as_json:
        for row in found:
            print(json.dumps(row, ensure_ascii=False, default=datetime.isoformat))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    else:
        _print_table(columns, list(found))


def _print_table(columns: Sequence[str], found: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Screen

    console, screen = Console(width=None if sys.stdout.isatty() else _NO_SCREEN), Screen()
    shown = [{name: _shown(row[name]) for name in columns} for row in found]
    widths = {name: max([len(name), *(len(row[name]) for row in shown)]) for name in columns}
    long = [name for name in columns if widths[name] > _WIDEST]
    narrow = sum(widths[name] for name in columns if name not in long) + 3 * len(columns) + 1
    room = max(8, (console.width - narrow) // max(1, len(long)))
    for name in columns:
        width = min(room, widths[name]) if name in long else widths[name]
        is_whole = name in _WHOLE
        screen.add_column(
            name, no_wrap=not is_whole, overflow="fold" if is_whole else "ellipsis", width=width
        )
    for row in shown:
        screen.add_row(*(escape(_cut(name, said, room)) for name, said in row.items()))
    paged = console.is_terminal and len(found) + 4 > console.height
    if paged:
        os.environ.setdefault("LESS", "FRX")  # as git does: without R it shows the codes of colours
    with console.pager(styles=True) if paged else nullcontext():
        console.print(screen)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _cut(name: str, said: str, room: int) -> str:
    """To its end where that tells rows apart; else the screen cuts it."""
    return said if name not in _BY_END or len(said) <= max(room, _WIDEST) else f"…{said[1 - room :]}"
