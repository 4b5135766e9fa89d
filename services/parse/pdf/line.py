"""A line of text on a page."""

from __future__ import annotations

from dataclasses import dataclass

HYPHEN = "\u00ad"  # a hyphen that ends a line


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and its place in points from the lower left corner of the page, text upright.

    base: of the letters. height: of the font, about 1.2 times its size.
    """

    text: str
    left: float
    right: float
    base: float
    height: float
