"""Initials: the large letter over the first lines of a chapter, which begins the first of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from services.parse.pdf.line import Line

_TALL = 1.8  # times the font's height: over two lines or more
_GAP = 1.0  # of the font's height, between it and the lines
_LINES_BESIDE = 2
_LONGEST = 2  # characters: a letter, perhaps after its quotation mark


def with_initials(runs: list[Line]) -> list[Line]:
    """Runs of a page with each initial before the rest of its word."""
    short = [run for run in runs if len(run.text) <= _LONGEST and run.text[-1].isupper()]
    if not short:
        return runs
    usual = statistics.median(run.height for run in runs)
    for initial in short:
        if initial.height > _TALL * usual and (first := _first_beside(initial, runs, usual)) is not None:
            at = runs.index(first)
            whole = first._replace(text=initial.text + first.text, left=initial.left)
            runs = [run for run in [*runs[:at], whole, *runs[at + 1 :]] if run is not initial]
    return runs


def _first_beside(initial: Line, runs: Sequence[Line], usual: float) -> Line | None:
    """The topmost line beside it that goes on with a word, where there are several that end at one edge."""
    top = initial.base + initial.height
    beside = [
        run for run in runs
        if abs(run.left - initial.right) < _GAP * usual and run.height < initial.height / _TALL
        and initial.base - usual / 2 < run.base < top - usual / 2
    ]  # fmt: skip
    if len(beside) < _LINES_BESIDE:
        return None
    first = max(beside, key=lambda run: run.base)
    return first if first.text[0].isalpha() and first.base - initial.base > usual / 2 else None
