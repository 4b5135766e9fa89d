"""Which blocks are written: those that are likely main text, and what belongs to them."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from services.parse.html.blocks import Block, Outline
from services.parse.html.posts import by_posts

_KEPT = 0.5
_UNSURE = 0.3  # a paragraph that is at least so likely goes with its like
_LIKE = 0.75  # of whose words so many are kept
_PARAGRAPH = 15  # words at least
_GAP = 2  # listings in a row that are kept between kept blocks, whatever was thought of them
_BELOW_TITLE = 12  # blocks at most between the title of a page and its text: names, dates, pictures


def chosen(page: Outline, likely: npt.NDArray[np.float32]) -> list[Block]:
    """The blocks to write, in their order. likely: of each how likely it is main text."""
    kept = likely > min(_KEPT, 0.9 * float(likely.max()))
    kept[_with_their_like(page, likely, kept)] = True
    kept = np.array(by_posts(page, kept.tolist(), (likely > 0).tolist()), bool)
    kept[_listings_between(page, kept)] = True
    kept[_title(page, int(kept.argmax()))] = True
    return [block for block, keep in zip(page.blocks, kept.tolist(), strict=True) if keep]


def _with_their_like(
    page: Outline, likely: npt.NDArray[np.float32], kept: npt.NDArray[np.bool_]
) -> list[int]:
    """Paragraphs among others in the same element, of which most are kept."""
    unsure = [i for i in np.flatnonzero(~kept & (likely > _UNSURE)).tolist() if _is_paragraph(page.blocks[i])]
    if not unsure:
        return []
    whole: dict[Hashable, int] = {}
    inside: dict[Hashable, int] = {}
    for block, keep in zip(page.blocks, kept.tolist(), strict=True):
        like = _like(page, block)
        whole[like] = whole.get(like, 0) + block.words
        inside[like] = inside.get(like, 0) + block.words * keep
    found = []
    for i in unsure:
        like = _like(page, page.blocks[i])
        if inside[like] > _LIKE * whole[like]:
            found.append(i)
    return found


def _is_paragraph(block: Block) -> bool:
    return block.kind in ("p", "dd") and block.words >= _PARAGRAPH and block.link_words * 5 < block.words


def _like(page: Outline, block: Block) -> Hashable:
    """The same of blocks that are laid out the same in the same element."""
    if block.frame < 0:
        return (block.kind,)
    frame = page.frames[block.frame]
    return (block.kind, frame.parent, frame.kind)


def _listings_between(page: Outline, kept: npt.NDArray[np.bool_]) -> list[int]:
    found: list[int] = []
    last = -1
    for i in np.flatnonzero(kept).tolist():
        between = range(last + 1, i)
        if (
            last >= 0
            and len(between) <= _GAP
            and all(page.blocks[j].kind in ("code", "pre") for j in between)
        ):
            found += between
        last = i
    return found


def _title(page: Outline, first: int) -> list[int]:
    """The heading of the page above its first kept block, if there is one."""
    titles = [
        i
        for i in range(max(0, first - _BELOW_TITLE), first)
        if page.blocks[i].kind == "h" and page.blocks[i].level == 1
    ]
    return titles[-1:]
