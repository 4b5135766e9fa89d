"""Lines of a picture by RapidOCR: PP-OCRv6's small models, Chinese and English, in its wheel.

Lines are found where there is ink, on a smaller picture; the picture is laid straight and turned upright by
what they say; then each is read alone, at its own width: RapidOCR's batches are as wide as the widest line in
them. Of two pages side by side, 3.9 s of CPU a page and 510 MB instead of 6.9 s and 740 MB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.parse.ocr.parted import INK, TALL, parted
from services.parse.ocr.seen import Looked, Seen
from services.parse.ruled import rules_in

_Boxes = NDArray[np.float32]  # [line, corner, (x, y)], pixels

_DETECTED = 0.64  # of its size is the picture in which lines are found
_DETECTED_SIDE = 1280  # pixels, at most: of A4 at that size
_MARGIN = 24  # pixels around what is inked
_STRAIGHT, _MOST_ASKEW = 0.15, 20.0  # degrees: where rules still run through; what is more was drawn so
_LONG = 5.0  # times as wide as high: such lines tell how a page hangs
_ASKED = 16  # lines, which way they stand: 1 ms each; of single ones a quarter are told wrong
_FEWEST, _ON_THEIR_HEADS = 3, 0.7
_AT_A_TIME = 12  # lines, between two looks at the clock: about a second
_MIN_SCORE = 0.5  # RapidOCR's own
# Long lines are read at less than their width, in as much less time: letters are told apart as well.
_WIDE, _SQUEEZED = 10.0, 0.8  # times as wide as high; of the width
_LONGEST = 100.0  # times as wide as high; what is longer is a rule that was taken for a line


def installed() -> bool:
    """Whether the extra `ocr` is."""
    return find_spec("rapidocr") is not None


def look(picture: Any, late: Callable[[], bool]) -> Looked:
    """Lines in a picture. The models are loaded at the first, and take some 500 MB then."""
    boxes = _found(picture)
    picture, boxes = _straight(picture, boxes)
    crops = _crops(picture, boxes)
    if turn := _quarters(boxes, crops):
        picture = np.ascontiguousarray(np.rot90(picture, turn))
        boxes = _found(picture)
        crops = _crops(picture, boxes)
    rules = rules_in(picture)
    corners: list[list[tuple[float, float]]] = [[(float(x), float(y)) for x, y in box] for box in boxes]
    parts = [part for box, crop in zip(corners, crops, strict=True) for part in parted(box, crop, rules)]
    seen: list[Seen] = []
    for start in range(0, len(parts), _AT_A_TIME):
        if start and late():
            return Looked(seen, picture.shape[0], whole=False, rules=rules)
        some = parts[start : start + _AT_A_TIME]
        read = _engine().recognize_txt([_squeezed(crop) for _, crop in some])
        found = zip(read.txts, map(float, read.scores), (box for box, _ in some), strict=True)
        seen += [Seen(*each) for each in found if each[0].strip() and each[1] >= _MIN_SCORE]
    return Looked(seen, picture.shape[0], rules=rules)


def _found(picture: Any) -> _Boxes:
    """Lines in a picture, looked for where there is ink."""
    import cv2

    none = np.empty((0, 4, 2), np.float32)
    top, bottom, left, right = _inked(picture)
    if top == bottom:
        return none
    area = picture[top:bottom, left:right]
    scale = min(_DETECTED, _DETECTED_SIDE / max(area.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in area.shape[1::-1])
    small = cv2.resize(area, (width, height), interpolation=cv2.INTER_AREA)
    found = _engine()(small, use_cls=False, use_rec=False).boxes
    if found is None:
        return none
    boxes = np.asarray(found, np.float32) * (area.shape[1] / width, area.shape[0] / height) + (left, top)
    sides = np.linalg.norm(boxes - np.roll(boxes, -1, 1), axis=-1)
    lines: _Boxes = boxes[sides.max(-1) <= _LONGEST * sides.min(-1)].astype(np.float32)
    return lines


def _inked(picture: Any) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what differs from the paper, with a margin; all 0 where nothing does."""
    grey = picture[..., 1]
    paper = int(np.median(grey[::4, ::4]))
    ink = np.abs(grey.astype(np.int16) - paper) > INK
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return (
        max(0, int(rows[0]) - _MARGIN),
        min(ink.shape[0], int(rows[-1]) + _MARGIN),
        max(0, int(columns[0]) - _MARGIN),
        min(ink.shape[1], int(columns[-1]) + _MARGIN),
    )


def _straight(picture: Any, boxes: _Boxes) -> tuple[Any, _Boxes]:
    """The picture and its lines turned back by what most lines fall or rise."""
    import cv2

    along, down = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]
    lengths, heights = np.linalg.norm(along, axis=-1), np.linalg.norm(down, axis=-1)
    lying = lengths < heights
    along[lying] = down[lying] @ np.array([[0, -1], [1, 0]], np.float32)
    long = np.maximum(lengths, heights) > _LONG * np.minimum(lengths, heights)
    if not long.any():
        return picture, boxes
    angle = float(np.median(np.degrees(np.arctan2(along[long, 1], along[long, 0]))))
    if not _STRAIGHT < abs(angle) < _MOST_ASKEW:
        return picture, boxes
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    sine, cosine = abs(turn[0, 1]), turn[0, 0]
    size = math.ceil(width * cosine + height * sine), math.ceil(height * cosine + width * sine)
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    paper = [float(np.median(picture[::8, ::8, colour])) for colour in range(picture.shape[2])]
    turned = cv2.warpAffine(picture, turn, size, flags=cv2.INTER_CUBIC, borderValue=paper)
    return turned, _levelled((boxes @ turn[:, :2].T + turn[:, 2]).astype(np.float32))


def _levelled(boxes: _Boxes) -> _Boxes:
    """Boxes that are nearly level, level: short lines were found so on a page that is not."""
    middles = boxes.mean(1)
    along, down = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]
    halves = np.stack([np.linalg.norm(along, axis=-1), np.linalg.norm(down, axis=-1)], -1) / 2
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    straight = middles[:, None] + halves[:, None] * signs
    near = np.abs(along[:, 1]) < np.sin(np.radians(_MOST_ASKEW)) * 2 * halves[:, 0]
    return np.where(near[:, None, None], straight, boxes).astype(np.float32)


def _crops(picture: Any, boxes: _Boxes) -> list[Any]:
    """Pictures of lines; those of tall ones turned by a quarter."""
    return list(_engine().crop_text_regions(picture, boxes))


def _quarters(boxes: _Boxes, crops: Sequence[Any]) -> int:
    """By how many quarters a picture is to be turned back, counterclockwise. A crop of a tall box was turned
    so by one. Long lines tell how it lies; a figure in a cell is as high as wide.
    """
    if not len(boxes):
        return 0
    along = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=-1)
    down = np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=-1)
    lies = down[down > TALL * along].sum() > along[along > TALL * down].sum()
    longest = sorted(crops, key=lambda crop: -max(crop.shape[:2]))[:_ASKED]
    _, answers = _engine().cls_and_rotate(longest)
    heads = sum("180" in label for label, _ in answers.cls_res) / len(longest)
    if lies:
        return 3 if heads > 0.5 else 1
    return 2 if heads >= _ON_THEIR_HEADS and len(longest) >= _FEWEST else 0


def _squeezed(crop: Any) -> Any:
    import cv2

    height, width = crop.shape[:2]
    if width < _WIDE * height:
        return crop
    return cv2.resize(crop, (round(width * _SQUEEZED), height), interpolation=cv2.INTER_AREA)


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Det.limit_type": "max",
            "Det.limit_side_len": _DETECTED_SIDE,
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, 48, 48],  # the narrowest that is read: a square
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
