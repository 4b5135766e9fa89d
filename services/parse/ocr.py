"""Pages that are pictures, read by RapidOCR: PP-OCRv6's small models, Chinese and English, in its wheel.

A page is rendered, its lines found and read one by one, and their places handed to the layout code of the
text layer, which makes paragraphs of them. It takes one thread and some seconds of CPU a page, so a document
is read up to a number of pages and seconds; what is left has no text, and the document says so.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from services.parse.config import ParseConfig
from services.parse.pdf import Line, Recognised

_POINTS = 72.0  # an inch
_DPI = 170  # A4 is then 2,000 pixels high, the most that RapidOCR reads
_DETECTED_SIDE = 1280  # lines are found on a smaller picture than they are read on: half of the time
_SLIVER = (
    40  # times as long as wide: RapidOCR fails there, for a side of it is nothing once it is made smaller
)
# The detector's box is the ink and a margin: so much of its height is under the baseline, and is the font's.
_UNDER_BASE, _FONT = 0.2, 0.85
_SAME_FONT = 0.75  # boxes of one font differ as their letters do
_HAN = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_HAN_GAP = re.compile(f"(?<={_HAN}) +(?={_HAN})")


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of text in a picture. corners: (x, y) in pixels from the upper left, clockwise from there."""

    text: str
    score: float
    corners: Sequence[tuple[float, float]]


Look = Callable[[Any], Sequence[Seen]]  # of a picture: rows, columns, blue green red


def installed() -> bool:
    """Whether the extra `ocr` is."""
    return find_spec("rapidocr") is not None


def look(picture: Any) -> Sequence[Seen]:
    """Lines in a picture. The models are loaded at the first, and take some 600 MB then."""
    found = _engine()(picture)
    if found.boxes is None or found.txts is None:
        return ()
    boxes = [[(float(x), float(y)) for x, y in box] for box in found.boxes]
    return [Seen(*each) for each in zip(found.txts, map(float, found.scores), boxes, strict=True)]


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # lines that stand on their heads
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECTED_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


class Reader:
    """A Recogniser for one document, within the config's pages and seconds. now: a clock, in seconds."""

    def __init__(self, config: ParseConfig, look: Look, now: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._look = look
        self._now = now
        self._until = now() + config.max_ocr_seconds
        self._pages = 0
        self.left_out = 0  # pages that a limit left unread

    def __call__(self, page: Any) -> Recognised | None:
        """Lines of a PDF's page; None past a limit, and of one so long that no line could be seen."""
        if self._pages >= self._config.max_ocr_pages or self._now() >= self._until:
            self.left_out += 1
            return None
        width, height = page.get_size()
        if max(width, height) > _SLIVER * min(width, height):
            return None
        self._pages += 1
        most = math.sqrt(self._config.max_ocr_pixels / max(1.0, width * height))
        scale = min(_DPI / _POINTS, most)
        seen = self._look(page.render(scale=scale, rev_byteorder=False, prefer_bgrx=False).to_numpy())
        return Recognised(lines_of(seen, scale, height), _confidence(seen))


def lines_of(seen: Sequence[Seen], scale: float, height: float) -> list[Line]:
    """Lines in points of a page of this height, straight where it hangs askew. scale: pixels a point."""
    if not seen:
        return []
    turn = statistics.median(_angle(each) for each in seen if each.text)
    lines = [_line(each, turn, scale, height) for each in seen]
    usual = statistics.median(line.height for line in lines for _ in line.text)
    same = (_SAME_FONT * usual, usual / _SAME_FONT)
    return [
        Line(line.text, line.left, line.right, line.base, usual) if same[0] < line.height < same[1] else line
        for line in lines
    ]


def _line(seen: Seen, turn: float, scale: float, height: float) -> Line:
    sine, cosine = math.sin(turn), math.cos(turn)
    corners = [(x * cosine + y * sine, y * cosine - x * sine) for x, y in seen.corners]
    xs = sorted(x for x, _ in corners)
    ys = sorted(y for _, y in corners)
    above, below = (ys[0] + ys[1]) / 2, (ys[2] + ys[3]) / 2
    size = (below - above) / scale
    base = height - below / scale + _UNDER_BASE * size
    return Line(_HAN_GAP.sub("", seen.text), xs[0] / scale, xs[3] / scale, base, _FONT * size)


def _angle(seen: Seen) -> float:
    """Radians by which a line falls to the right; 0 for one that runs up or down the page."""
    (left, top), (right, lower) = seen.corners[0], seen.corners[1]
    angle = math.atan2(lower - top, right - left)
    return angle if abs(angle) < math.pi / 8 else 0.0


def _confidence(seen: Sequence[Seen]) -> float:
    characters = sum(len(each.text) for each in seen)
    return sum(each.score * len(each.text) for each in seen) / characters if characters else 0.0
