"""Formulas that are pictures, each in its place as `[formula]`: a reader sees that one is missing.

A picture is taken for one on good evidence alone. It stands between the words of a line and is about as
high as they are, or by itself between lines with its number, (3), at their right edge; it is black on white
as text is; and it is not one that comes back on other pages, as icons do.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from services.parse.pdf.characters import function
from services.parse.pdf.line import Line
from services.parse.pdf.unpacked import pixels_unpacked

MARKER = "[formula]"
_MOST_OBJECTS = 10_000  # of a page that are looked at
_MOST_PICTURES = 200  # of a page; more are pieces of one, or a drawing
_MOST_PIXELS = 1_000_000
_SMALLEST = 3.0  # points, of either side
_LOWEST, _HIGHEST = 0.4, 2.5  # times the font's height: among words
_HIGHEST_ALONE = 8.0
_GAP = 0.8  # of the font's height, to the words beside it
_SUNK = 1.3  # of the font's height, under the line's base at most
_SAME_BASE = 0.2  # of the font's height
_NEAR = 4.0  # times the font's height, to the lines above and below
_EDGE = 1.5  # of the font's height, from the number to the right edge of the lines
_GREY = 40  # of 255: by as much red, green and blue differ in black and white
_INK = (0.01, 0.45)  # share of its pixels
_PAGES_OF_AN_ICON = 3
_RIM = 0.1  # of the page's height, above and below: its margins
_WHOLE_PAGE = 0.75  # of its area
_NUMBER = re.compile(r"[(（]\s*(?:[A-Z]\.?)?\d{1,3}(?:[.–-]\d{1,3}){0,2}[a-z]?\s*[)）]")
_WORD = re.compile(r"[^\W\d_]{2,}|[\u3400-\u9fff]")


class Picture(NamedTuple):
    """A picture's place on its page in points, and its pixels across and down."""

    left: float
    bottom: float
    right: float
    top: float
    pixels: tuple[int, int]


class Found(NamedTuple):
    """A formula: the marker where it stands, and before which run of the page it is read."""

    marker: Line
    before: int
    picture: Picture


def formulas(page: Any, runs: Sequence[Line]) -> list[Found]:
    """Pictures of a pypdfium2.PdfPage that stand among its runs (upright) as formulas do."""
    if not runs:
        return []
    pictures = list(_pictures(page))
    if len(pictures) > _MOST_PICTURES:
        return []
    placed = ((_placed(picture, runs), handle) for picture, handle in pictures)
    return [found for found, handle in placed if found is not None and _is_ink_on_paper(handle, page)]


def is_a_stamped_scan(page: Any, runs: Sequence[Line]) -> bool:
    """Whether a pypdfium2.PdfPage is one picture, and its runs (upright) stand in the margins alone: its
    number, a library's mark, where it was downloaded from.
    """
    width, height = page.get_size()
    rim = _RIM * height
    if page.get_rotation() or any(rim < run.base < height - rim for run in runs):
        return False
    least = _WHOLE_PAGE * width * height
    return any((each.right - each.left) * (each.top - each.bottom) > least for each, _ in _pictures(page))


def without_icons(pages: Iterable[Sequence[Found]]) -> list[list[Found]]:
    """What is left once those go that are on several pages, of the same size and pixels."""
    kept = list(pages)
    seen = Counter(key for page in kept for key in {_key(found.picture) for found in page})
    return [[found for found in page if seen[_key(found.picture)] < _PAGES_OF_AN_ICON] for page in kept]


def marked(runs: Sequence[Line], found: Sequence[Found]) -> list[Line]:
    """Runs with the markers between them."""
    if not found:
        return list(runs)
    out = list(runs)
    for each in sorted(found, key=lambda each: each.before, reverse=True):
        out.insert(each.before, each.marker)
    return out


def _key(picture: Picture) -> tuple[int, int, tuple[int, int]]:
    return round(picture.right - picture.left), round(picture.top - picture.bottom), picture.pixels


def _pictures(page: Any) -> Iterator[tuple[Picture, Any]]:
    """Those that the page itself draws, with PDFium's handles, which live as long as the page."""
    import pypdfium2.raw as api

    raw = ctypes.byref(page.raw.contents)
    number = min(api.FPDFPage_CountObjects(page.raw), _MOST_OBJECTS)
    object_at = function("FPDFPage_GetObject", ctypes.c_void_p)
    kind_of = function("FPDFPageObj_GetType", ctypes.c_int, ctypes.c_void_p)
    handles = list(map(object_at, repeat(raw), range(number)))
    edges, size = [ctypes.c_float() for _ in range(4)], [ctypes.c_uint(), ctypes.c_uint()]
    for handle, kind in zip(handles, map(kind_of, handles), strict=True):
        if kind != api.FPDF_PAGEOBJ_IMAGE:
            continue
        image = ctypes.cast(handle, api.FPDF_PAGEOBJECT)
        if api.FPDFPageObj_GetBounds(image, *edges) and api.FPDFImageObj_GetImagePixelSize(image, *size):
            left, bottom, right, top = (edge.value for edge in edges)
            if min(right - left, top - bottom) >= _SMALLEST:
                yield Picture(left, bottom, right, top, (size[0].value, size[1].value)), image


def _placed(picture: Picture, runs: Sequence[Line]) -> Found | None:
    """The marker for a picture where a formula may stand."""
    beside = [
        (number, run) for number, run in enumerate(runs)
        if picture.bottom < run.base + 0.3 * run.height < picture.top
    ]  # fmt: skip
    if any(run.left < picture.right - 1 and run.right > picture.left + 1 for _, run in beside):
        return None  # it has text of its own
    left = max(
        (each for each in beside if each[1].right <= picture.left + 1),
        key=lambda each: each[1].right,
        default=None,
    )
    right = min(
        (each for each in beside if each[1].left >= picture.right - 1),
        key=lambda each: each[1].left,
        default=None,
    )
    if right is None:
        return None
    number, after = right
    if left is None:
        if not (_NUMBER.fullmatch(after.text) and _is_alone(picture, after, runs)):
            return None
        marker = Line(MARKER, picture.left, picture.right, after.base, after.height, after.at)
        return Found(marker, number, picture)
    before = left[1]
    if not _is_between(picture, before, after):
        return None
    at = after.at - 1 if after.at > before.at else before.at
    marker = Line(MARKER, picture.left, picture.right, before.base, before.height, at)
    return Found(marker, number if number > left[0] else left[0] + 1, picture)


def _is_between(picture: Picture, before: Line, after: Line) -> bool:
    """Whether it stands in a line of words, as a word does."""
    size = before.height
    return (
        abs(before.base - after.base) < _SAME_BASE * size
        and abs(size - after.height) < _SAME_BASE * size
        and _LOWEST * size <= picture.top - picture.bottom <= _HIGHEST * size
        and picture.left - before.right < _GAP * size
        and after.left - picture.right < _GAP * size
        and before.base - _SUNK * size < picture.bottom < before.base + 0.5 * size < picture.top
        and bool(_WORD.search(before.text) and _WORD.search(after.text))
    )


def _is_alone(picture: Picture, number: Line, runs: Sequence[Line]) -> bool:
    """Whether it is set between lines, in from their left edge, and its number ends where they do."""
    size = number.height
    if picture.top - picture.bottom > _HIGHEST_ALONE * size:
        return False
    near = [
        run for run in runs
        if run is not number and run.left < number.right and run.right > picture.left
        and (0 < run.base - picture.top < _NEAR * size or 0 < picture.bottom - run.base < _NEAR * size)
    ]  # fmt: skip
    lines = [run for run in near if _WORD.search(run.text)]
    if not lines:
        return False
    edge = max(run.right for run in lines)
    return abs(edge - number.right) < _EDGE * size and picture.left > min(run.left for run in lines) + size


def _is_ink_on_paper(handle: Any, page: Any) -> bool:
    """Whether it is grey and mostly of one shade, as what is written is."""
    import pypdfium2 as pdfium

    try:
        image = pdfium.PdfImage(handle, page=page)
        width, height = image.get_px_size()
        if max(width * height, pixels_unpacked(handle)) > _MOST_PIXELS:
            return False
        pixels = image.get_bitmap().to_numpy().astype(np.int16)
    except pdfium.PdfiumError:
        return False
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels[..., None]
    if (colours.max(-1) - colours.min(-1) > _GREY).mean() > _INK[0]:
        return False
    shades = colours.mean(-1)
    dark = float((shades < 128).mean())
    return _INK[0] < min(dark, 1 - dark) < _INK[1]
