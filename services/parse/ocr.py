"""Pages that are pictures, read by RapidOCR: PP-OCRv6's small models, Chinese and English, in its wheel.

A page is rendered, its lines found and read one by one, and their places handed to the layout code of the
text layer, which makes paragraphs of them. It takes one thread and some seconds of CPU a page, so a document
is read up to a number of pages and seconds, in the middle of a page where need be; what is left has no text,
and the document says so.

Of 24 clean renders of real pages (Chinese, English, French), against their own text in reading order, the
characters that are right and in their place: prose .99, two columns .97 (.92 before lines were cut at
gutters), ten with tables .98, two forms .935, with 8 s of CPU a page, 1.3 to 14 by the lines on it:
.12 pages a second. An eleventh table is read by its cells, where its own text goes from line to line.
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
from typing import Any, NamedTuple

import numpy as np

from services.parse.config import ParseConfig
from services.parse.pdf import Line, Recognised, Table
from services.parse.pdf.recognise import is_in_borrowed_letters
from services.parse.ruled import Rules, ruled_tables, rules_in

_POINTS = 72.0  # an inch
_DPI = 170  # A4 is then 2,000 pixels high, the most that RapidOCR reads
_DETECTED_SIDE = 1280  # lines are found on a smaller picture than they are read on: half of the time
_SLIVER = (
    40  # times as long as wide: RapidOCR fails there, for a side of it is nothing once it is made smaller
)
# The detector's box is the ink and a margin: so much of its height is under the baseline, and is the font's.
_UNDER_BASE, _FONT = 0.2, 0.85
_BESIDE = 0.15  # of its height: the margin to the left and to the right, where a narrow gutter is lost in it
_SAME_FONT = 0.75  # boxes of one font differ as their letters do
_GUTTER = 0.9  # of a line's height: wider than a space between words
_INK = 48  # of 255: as much darker than the paper; what is grey is written, too
_MARGIN = 0.2  # of its height, to either side
_AT_A_TIME = 12  # lines, between two looks at the clock: about a second
_MIN_SCORE = 0.5  # RapidOCR's own
_TALL = 1.5  # times as high as wide; RapidOCR turns such a line
_ASKED = 16  # lines, which way they stand: 1 ms each; of single ones a quarter are told wrong
_FEWEST, _ON_THEIR_HEADS = 3, 0.7
_HAN = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
_HAN_GAP = re.compile(f"(?<={_HAN}) +(?={_HAN})")


_Corners = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of text in a picture. corners: (x, y) in pixels from the upper left, clockwise from there."""

    text: str
    score: float
    corners: _Corners


class Looked(NamedTuple):
    """Lines of a picture once it is turned upright, its height then in pixels, whether all were read, and the
    rules between them.
    """

    seen: Sequence[Seen]
    height: int
    whole: bool = True
    rules: Rules | None = None


# Of a picture (rows, columns, blue green red); it ends after some lines where the clock says that it is late.
Look = Callable[[Any, Callable[[], bool]], Looked]


def installed() -> bool:
    """Whether the extra `ocr` is."""
    return find_spec("rapidocr") is not None


def look(picture: Any, late: Callable[[], bool]) -> Looked:
    """Lines in a picture. The models are loaded at the first, and take some 600 MB then.

    Lines are found (a sixth of the time) and some of them asked which way they stand; a page that lies on its
    side or stands on its head is turned, and looked at once more.
    """
    boxes, crops = _lines_in(picture)
    if turn := _quarters(boxes, crops):
        picture = np.ascontiguousarray(np.rot90(picture, turn))
        boxes, crops = _lines_in(picture)
    rules = rules_in(picture)
    parts = [part for box, crop in zip(boxes, crops, strict=True) for part in _parted(box, crop, rules)]
    boxes, crops = [corners for corners, _ in parts], [crop for _, crop in parts]
    seen: list[Seen] = []
    for start in range(0, len(crops), _AT_A_TIME):
        if start and late():
            return Looked(seen, picture.shape[0], whole=False, rules=rules)
        read = _engine().recognize_txt(crops[start : start + _AT_A_TIME])
        found = zip(read.txts, map(float, read.scores), boxes[start : start + _AT_A_TIME], strict=True)
        seen += [Seen(*each) for each in found if each[0].strip() and each[1] >= _MIN_SCORE]
    return Looked(seen, picture.shape[0], rules=rules)


def _lines_in(picture: Any) -> tuple[list[_Corners], list[Any]]:
    """Corners of the lines in a picture, and their pictures."""
    from rapidocr.main import RapidOCRError
    from rapidocr.utils.process_img import map_boxes_to_original

    image, record = _engine().preprocess_img(picture)
    try:
        crops, found = _engine().detect_and_crop(image, record)
    except RapidOCRError:  # it finds none
        return [], []
    boxes = map_boxes_to_original(found.boxes, record, *picture.shape[:2])
    return [[(float(x), float(y)) for x, y in box] for box in boxes], list(crops)


def _parted(box: _Corners, crop: Any, rules: Rules) -> list[tuple[_Corners, Any]]:
    """The corners and the picture of a line, or of its parts where a rule runs through it or it is white for
    as wide as a gutter: what is found on the smaller picture runs over narrow ones.
    """
    a, b, c, d = (np.array(corner) for corner in box)
    width = crop.shape[1]
    if math.dist(a, d) > _TALL * math.dist(a, b):
        return [(box, crop)]
    cuts = sorted(_gutters(crop) + [(x, x) for x in _rules_through(box, width, rules)])
    starts, ends = [0, *(start for _, start in cuts)], [*(end for end, _ in cuts), width]
    shares = [(left, right, left / width, right / width) for left, right in zip(starts, ends, strict=True)]
    return [
        ([_at(a, b, first), _at(a, b, last), _at(d, c, last), _at(d, c, first)], crop[:, left:right])
        for left, right, first, last in shares
        if right > left
    ]


def _gutters(crop: Any) -> list[tuple[int, int]]:
    """Where the one part ends, and where the next begins, each with a margin."""
    height = crop.shape[0]
    middle = crop[height // 6 : height - height // 6]
    if np.median(middle) < 128:  # white on black
        middle = 255 - middle
    inked = np.flatnonzero(middle.min((0, 2)) < np.quantile(middle, 0.9) - _INK)
    gaps = np.flatnonzero(np.diff(inked) > _GUTTER * height)
    margin = int(_MARGIN * height)
    return [(int(inked[gap]) + margin, int(inked[gap + 1]) - margin) for gap in gaps]


def _rules_through(box: _Corners, width: int, rules: Rules) -> list[int]:
    """Where in its picture."""
    left, top = map(min, zip(*box, strict=True))
    right, bottom = map(max, zip(*box, strict=True))
    x, first, last = rules.down.T
    edge = (bottom - top) / 4
    through = (first <= top) & (last >= bottom) & (left + edge < x) & (x < right - edge)
    return [round((at - left) / (right - left) * width) for at in x[through].tolist()]


def _at(start: Any, end: Any, share: float) -> tuple[float, float]:
    x, y = start + (end - start) * share
    return float(x), float(y)


def _quarters(boxes: Sequence[_Corners], crops: Sequence[Any]) -> int:
    """By how many quarters a picture is to be turned back, counterclockwise. A crop of a tall box was turned
    so by one.
    """
    if not boxes:
        return 0
    tall = sum(math.dist(a, d) > _TALL * math.dist(a, b) for a, b, _, d in boxes)
    lies = 2 * tall > len(boxes)
    longest = sorted(crops, key=lambda crop: -max(crop.shape[:2]))[:_ASKED]
    _, answers = _engine().cls_and_rotate(longest)
    heads = sum("180" in label for label, _ in answers.cls_res) / len(longest)
    if lies:
        return 3 if heads > 0.5 else 1
    return 2 if heads >= _ON_THEIR_HEADS and len(longest) >= _FEWEST else 0


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
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
        self.left_out = 0  # pages that a limit left unread, or in part

    def __call__(self, page: Any) -> Recognised | None:
        """Lines of a PDF's page; None past a limit, and of one so long that no line could be seen."""
        if self._pages >= self._config.max_ocr_pages or self._now() >= self._until:
            self.left_out += 1
            return None
        width, height = page.get_size()
        if max(width, height) > _SLIVER * min(width, height) or is_in_borrowed_letters(page):
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


def _line(seen: Seen, turn: float, scale: float, height: float) -> Line:
    sine, cosine = math.sin(turn), math.cos(turn)
    corners = [(x * cosine + y * sine, y * cosine - x * sine) for x, y in seen.corners]
    xs = sorted(x for x, _ in corners)
    ys = sorted(y for _, y in corners)
    above, below = (ys[0] + ys[1]) / 2, (ys[2] + ys[3]) / 2
    size = (below - above) / scale
    base = height - below / scale + _UNDER_BASE * size
    left, right = xs[0] / scale, xs[3] / scale
    beside = min(_BESIDE * size, (right - left) / 4)
    return Line(_HAN_GAP.sub("", seen.text), left + beside, right - beside, base, _FONT * size)


def _angle(seen: Seen) -> float:
    """Radians by which a line falls to the right; 0 for one that runs up or down the page."""
    (left, top), (right, lower) = seen.corners[0], seen.corners[1]
    angle = math.atan2(lower - top, right - left)
    return angle if abs(angle) < math.pi / 8 else 0.0


def _confidence(seen: Sequence[Seen]) -> float:
    characters = sum(len(each.text) for each in seen)
    return sum(each.score * len(each.text) for each in seen) / characters if characters else 0.0
