"""A page as a row of blocks: paragraphs, headings, list items, rows of tables, listings, in reading order.

A block's text is Markdown without escapes: what a reader sees stands as it is. Each block knows the elements
around it (frames), by which main_text.py tells content from everything else. outline.py makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Frame:
    """An element that holds blocks. hints: its own (see hints.py). kind: its tag, and first class. stem: the
    id of one without a class, up to its figures. dialog: it lies over the page.

    What it makes of them: heading, the level of the heading that they are of, or 0; inside, the frame of the
    innermost list item around them, or -1; lists, how many such items are; quoted.
    """

    parent: int
    tag: str
    hints: int
    depth: int
    kind: tuple[str, str]
    item: int = -1  # which item of its list it is
    hidden: bool = False
    dialog: bool = False
    heading: int = 0
    inside: int = -1
    lists: int = 0
    quoted: bool = False
    stem: str = ""


@dataclass(slots=True)
class Block:
    """A run of text. kind: p, h, item, row, code, dt, dd, caption, cell or summary.

    level: of a heading, or how deep the list is. words, link_words, button_words: how many, and how many of
    them can be pressed. frame: the innermost one. hints: of the elements inside it. item: the frame of the
    list item that it stands in, or -1. table: its number. quoted: stands in a blockquote.
    """

    text: str
    kind: str
    frame: int
    words: int
    link_words: int = 0
    button_words: int = 0
    hints: int = 0
    level: int = 0
    item: int = -1
    table: int = -1
    quoted: bool = False


@dataclass(slots=True)
class Outline:
    """Blocks and frames of a page; a frame's parent stands before it. item_types: schema.org's names of what
    the first elements that say so describe.
    """

    blocks: list[Block] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    item_types: list[str] = field(default_factory=list)
