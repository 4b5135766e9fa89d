"""Reads a document's pages that are pictures: the layout code of the text layer arranges their lines.

A page takes some seconds of CPU, so a document is read up to a number of pages and seconds, in the middle of
a page where need be; what is left has no text, and the document says so.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from services.parse.config import ParseConfig
from services.parse.ocr.seen import Look, Looked, Seen
from services.parse.pdf import Line, Recognised, Table
from services.parse.pdf.recognise import is_in_borrowed_letters
from services.parse.pdf.unpacked import largest_whole
from services.parse.ruled import ruled_tables

_POINTS = 72.0  # an inch
_DPI = 170  # A4 is then 2,000 pixels high, the most that RapidOCR reads
# Times as long as wide: RapidOCR fails there, a side of it being nothing once it is made smaller.
_SLIVER = 40
# The detector's box is the ink and a margin: so much of its height is under the baseline, and is the font's.
_UNDER_BASE, _FONT = 0.2, 0.85
_BESIDE = 0.15  # of its height: the margin to the left and to the right, where a narrow gutter is lost in it
_SAME_FONT = 0.75  # boxes of one font differ as their letters do
_HAN = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_HAN_GAP = re.compile(f"(?<={_HAN}) +(?={_HAN})")
_ASCII_MARK = re.compile(r"(?<=[\u3400-\u9fff])[?!]")  # those in which the models see no width
_FULL = str.maketrans("?!", "？！")


class Reader:
    """A Recogniser for one document, within the config's pages and seconds. now: a clock, in seconds."""

    def __init__(self, config: ParseConfig, look: Look, now: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._look = look
        self._now = now
        self._until = now() + config.max_ocr_seconds
        self._pages = 0
        self.left_out = 0  # pages that a limit left unread, or in part

    def __call__(self, page: Any) -> Recognised | None:
        """Lines of a PDF's page; None past a limit, for pictures too large to be unpacked, and of one so long
        that no line could be seen.
        """
        if self._pages >= self._config.max_ocr_pages or self._now() >= self._until:
            self.left_out += 1
            return None
        width, height = page.get_size()
        if max(width, height) > _SLIVER * min(width, height) or is_in_borrowed_letters(page):
            return None
        if largest_whole(page) > self._config.max_image_pixels:
            self.left_out += 1
            return None
        self._pages += 1
        most = math.sqrt(self._config.max_ocr_pixels / max(1.0, width * height))
        scale = min(_DPI / _POINTS, most)
        picture = page.render(scale=scale, rev_byteorder=False, prefer_bgrx=False).to_numpy()
        looked = self._look(picture, lambda: self._now() >= self._until)
        self.left_out += not looked.whole
        lines = lines_of(looked.seen, scale, looked.height / scale)
        lines, tables = _with_tables(lines, looked)
        return Recognised(lines, _confidence(looked.seen), tables)


def lines_of(seen: Sequence[Seen], scale: float, height: float) -> list[Line]:
    """Lines in points of a page of this height. scale: pixels a point."""
    if not seen:
        return []
    is_full = any("，" in each.text for each in seen)
    lines = [_line(each, _text(each.text, is_full), scale, height) for each in seen]
    usual = statistics.median(line.height for line in lines for _ in line.text)
    same = (_SAME_FONT * usual, usual / _SAME_FONT)
    return [
        Line(line.text, line.left, line.right, line.base, usual) if same[0] < line.height < same[1] else line
        for line in lines
    ]


def _with_tables(lines: list[Line], looked: Looked) -> tuple[list[Line], dict[Line, Table]]:
    """Lines of a picture, those of each ruled table as one, and what these stand for."""
    if looked.rules is None:
        return lines, {}
    corners = np.array([each.corners for each in looked.seen]).reshape(-1, 4, 2)
    boxes = np.concatenate((corners.min(1), corners.max(1)), -1)
    found = ruled_tables([line.text for line in lines], boxes, looked.rules)
    gone = {index for table in found for index in table.lines}
    tables = {_over([lines[index] for index in table.lines]): table.table for table in found}
    return [*(line for index, line in enumerate(lines) if index not in gone), *tables], tables


def _over(lines: Sequence[Line]) -> Line:
    """One line for several: at the base of the first, as wide as all."""
    return Line(
        " ".join(line.text for line in lines),
        min(line.left for line in lines),
        max(line.right for line in lines),
        max(line.base for line in lines),
        lines[0].height,
    )


def _text(text: str, is_full: bool) -> str:
    """Without spaces between Han characters. is_full: marks on its page are as wide as those."""
    text = _HAN_GAP.sub("", text)
    return _ASCII_MARK.sub(lambda mark: mark[0].translate(_FULL), text) if is_full else text


def _line(seen: Seen, text: str, scale: float, height: float) -> Line:
    xs, ys = (sorted(places) for places in zip(*seen.corners, strict=True))
    above, below = (ys[0] + ys[1]) / 2, (ys[2] + ys[3]) / 2
    size = (below - above) / scale
    base = height - below / scale + _UNDER_BASE * size
    left, right = xs[0] / scale, xs[3] / scale
    beside = min(_BESIDE * size, (right - left) / 4)
    return Line(text, left + beside, right - beside, base, _FONT * size)


def _confidence(seen: Sequence[Seen]) -> float:
    characters = sum(len(each.text) for each in seen)
    return sum(each.score * len(each.text) for each in seen) / characters if characters else 0.0
