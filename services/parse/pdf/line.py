"""A line of text on a page, and the scripts that decide how two of them are joined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

HYPHEN = "\u00ad"  # a hyphen that ends a line
# Scripts that are written without spaces. Hangul is not among them: Korean words stand apart.
HAN = "\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\uff00-\uffef"
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


class Line(NamedTuple):
    """A line of text and its place in points from the lower left corner of the page, text upright.

    base: of the letters. height: of the font, about 1.2 times its size. at: number of its first word in the
    order in which the page draws them.
    """

    text: str
    left: float
    right: float
    base: float
    height: float
    at: int = 0


def holds_right_to_left(lines: Sequence[Line]) -> bool:
    """There is Arabic, Hebrew or another such script in them."""
    return any(not line.text.isascii() and _RIGHT_TO_LEFT.search(line.text) for line in lines)


def reads_right_to_left(lines: Sequence[Line]) -> bool:
    """Most of its letters are Arabic, Hebrew or of another such script."""
    text = "".join([line.text for line in lines])
    found = 0 if text.isascii() else len(_RIGHT_TO_LEFT.findall(text))
    return found > 0 and 2 * found > sum(map(str.isalpha, text))
