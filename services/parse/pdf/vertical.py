"""Chinese and Japanese that is written from top to bottom, in columns from right to left.

PDFium gives each column as a line that is one character wide. Turned by a quarter, columns are lines from top
to bottom, and are laid out as such.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from services.parse.pdf.line import HAN, Line
from services.parse.pdf.text_layer import TextLayer

_FIRST_WIDE = HAN[0]
_SHORTEST = 3  # characters that tell
_NARROW = 0.4  # of the font's height for each character: side by side they take twice as much
_WIDE = re.compile(f"[{HAN}]+")


def turned_upright(layer: TextLayer) -> TextLayer:
    """The layer with its columns as lines, where most of it is written so; what is not follows."""
    columns = [run for run in layer.runs if run.text[0] >= _FIRST_WIDE and _is_column(run)]
    if not columns or 2 * _characters(columns) < _characters(layer.runs):
        return layer
    known = set(map(id, columns))
    written = [run for run in layer.runs if id(run) in known or _WIDE.fullmatch(run.text)]
    across = [run for run in layer.runs if id(run) not in known and not _WIDE.fullmatch(run.text)]
    turned = [*([across] if across else []), *layer.turned]
    return replace(layer, runs=list(map(_as_line, written)), turned=turned, upright=False)


def _is_column(run: Line) -> bool:
    length = len(run.text)
    return length >= _SHORTEST and run.right - run.left < _NARROW * run.height * length


def _as_line(run: Line) -> Line:
    top = -run.base - run.height
    return Line(run.text, top, top + len(run.text) * run.height, run.left, run.height, run.at)


def _characters(runs: Sequence[Line]) -> int:
    return sum(len(run.text) for run in runs)
