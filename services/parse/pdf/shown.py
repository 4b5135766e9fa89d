"""What of a page's text is shown: hidden words are written for search engines and models, not for readers."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.parse.pdf.line import Line
from services.parse.pdf.text_layer import TextLayer

_SMALLEST = 1.5  # points, of the font's height; what is smaller is no size of letters,
_SHORTEST_TINY = 8  # characters; a full stop of a font without a height may be as small
_MOST_HIDDEN = 0.5  # of the text; where more would be, the page's box is damaged
_MOST_OUTSIDE = 200  # runs that are looked at
_SAME_LINE, _NEXT_LINE = 0.3, 3.0  # of the font's height
_SAME_PLACE = 2.0  # points, by which a shadow stands off at most
_BESIDE = [complex(right, up) for right in (-1, 0, 1) for up in (-1, 0, 1)]
_SHORTEST = 4  # characters of what is looked for at the same place; single ones may well be side by side


def shown(page: Any, layer: TextLayer) -> TextLayer:
    """The layer of a pypdfium2.PdfPage without what lies outside of it or is too small to be seen,
    and without what is drawn a second time at its place.
    """
    kept = _once(_inside(page, layer.runs) if layer.upright else layer.runs)
    return layer if len(kept) == len(layer.runs) else replace(layer, runs=list(kept))


def _inside(page: Any, runs: Sequence[Line]) -> Sequence[Line]:
    import pypdfium2.raw as api

    box = api.FS_RECTF()
    if not api.FPDF_GetPageBoundingBox(page.raw, ctypes.byref(box)):
        return runs
    left, bottom, right, top = box.left, box.bottom, box.right, box.top
    kept = [
        run for run in runs
        if run.left < right and run.right > left and run.base < top and run.base + run.height > bottom
        and (run.height > _SMALLEST or len(run.text) < _SHORTEST_TINY)
    ]  # fmt: skip
    if len(kept) == len(runs):
        return runs
    kept = _with_what_runs_over(kept, runs, left, right)
    return runs if _characters(kept) < _MOST_HIDDEN * _characters(runs) else kept


def _with_what_runs_over(kept: Sequence[Line], runs: Sequence[Line], left: float, right: float) -> list[Line]:
    """With lines that are too long for the page, and what goes on under its foot."""
    found = list(kept)
    inside = set(map(id, kept))
    outside = [run for run in runs if id(run) not in inside and run.height > _SMALLEST]
    for run in sorted(outside, key=lambda run: (-run.base, run.left))[:_MOST_OUTSIDE]:
        is_under = left < run.right and run.left < right
        if any(_goes_on(run, other) or (is_under and _is_next(run, other)) for other in found):
            found.append(run)
    inside.update(map(id, found))
    return [run for run in runs if id(run) in inside]


def _goes_on(run: Line, other: Line) -> bool:
    """On the same line, to the right."""
    return (
        abs(run.base - other.base) < _SAME_LINE * other.height
        and run.left >= other.left
        and run.left - other.right < other.height
    )


def _is_next(run: Line, other: Line) -> bool:
    return 0 <= other.base - run.base < _NEXT_LINE * other.height


def _characters(runs: Sequence[Line]) -> int:
    return sum(len(run.text) for run in runs)


def _once(runs: Sequence[Line]) -> Sequence[Line]:
    """Without shadows, and what a program drew over itself."""
    counts = Counter([run.text for run in runs])
    seen: dict[str, set[complex]] = {
        text: set() for text, number in counts.items() if number > 1 and len(text) >= _SHORTEST
    }
    return (
        [run for run in runs if not (run.text in seen and _is_there(run, seen[run.text]))] if seen else runs
    )


def _is_there(run: Line, places: set[complex]) -> bool:
    """Whether the same text was seen where a run is; its place is noted, with those around it."""
    place = complex(round(run.left / _SAME_PLACE), round(run.base / _SAME_PLACE))
    if place in places:
        return True
    places.update([place + beside for beside in _BESIDE])
    return False
