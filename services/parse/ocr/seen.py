"""What is seen in a picture: lines of text and where they stand, and the straight lines between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.parse.ruled import Rules

Corners = Sequence[tuple[float, float]]  # (x, y) in pixels from the upper left, clockwise from there


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of text in a picture, how sure its letters are (0..1), and its corners."""

    text: str
    score: float
    corners: Corners


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
