"""What is known of the elements around each block, as columns of the matrix of features.py.

Their tags and what their names speak of; how much text they hold, how much of it is links, sentences,
prices, or text that another extractor kept; how often such an element repeats beside itself (posts, cards);
and what the other blocks on the page are like that are laid out the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from services.parse.html.blocks import Outline
from services.parse.html.hints import NAMES

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
_Value = TypeVar("_Value")

_TAGS = (
    "article", "main", "section", "nav", "aside", "footer", "header", "form", "table", "ul", "ol", "dl", "li",
    "blockquote", "figure", "details", "dialog", "fieldset",
)  # fmt: skip
_SMALL = frozenset({"p", "li", "tr", "td", "dt", "dd", "br"})
_MOST_HIDDEN = 0.5  # of a page's words
_LEVELS = 5  # elements around a block, from the inside, whose text is measured


@dataclass(slots=True)
class _Tree:
    """parents (frames); levels: the frames of each depth, outermost first; of: the frame of each block, where
    the last of all, which is none, stands for no frame. kinds: tags and first classes that there are, and
    kind, the number of each frame's among them.
    """

    parents: Ints
    depths: Ints
    levels: list[Ints]
    of: Ints
    kinds: list[tuple[str, str]]
    kind: Ints

    @classmethod
    def of_page(cls, page: Outline) -> _Tree:
        depths = np.array([frame.depth for frame in page.frames], np.int64)
        order = np.argsort(depths, kind="stable")
        cuts = np.flatnonzero(np.diff(depths[order])) + 1
        kinds, kind = _numbered([frame.kind for frame in page.frames])
        return cls(
            np.array([frame.parent for frame in page.frames], np.int64),
            depths,
            [order[begin:end] for begin, end in pairwise([0, *cuts.tolist(), len(order)])],
            np.array([block.frame for block in page.blocks], np.int64),
            kinds,
            kind,
        )

    def inherited(self, own: Ints) -> Ints:
        """The bits of each frame and of all around it; own: (frames + 1), the last 0."""
        found = own.copy()
        for level in self.levels[1:]:
            found[level] |= found[self.parents[level]]
        return found

    def sums(self, of_blocks: Floats) -> Floats:
        """For each frame the sums over the blocks in it; of_blocks: (blocks, columns)."""
        found = np.zeros((len(self.parents) + 1, of_blocks.shape[1]), np.float32)
        np.add.at(found, self.of, of_blocks)
        for level in self.levels[:0:-1]:
            np.add.at(found, self.parents[level], found[level])
        return found


def around(page: Outline, measures: Mapping[str, Floats]) -> Floats:
    """(blocks, columns). measures: words, links (words of), kept (1 where another extractor kept it), ends
    (1 where it ends as a sentence) and price (1 where there is one), each (blocks).
    """
    tree = _Tree.of_page(page)
    words, links = measures["words"], measures["links"]
    text = np.array([block.kind in ("p", "item", "dd") for block in page.blocks], np.float32) * words
    kept = measures["kept"] * words
    totals = tree.sums(
        np.stack([words, links, np.ones_like(words), text, kept, measures["ends"], measures["price"]], 1)
    )
    return np.concatenate(
        [
            *_names(page, tree, totals[:-1, 0] <= _MOST_HIDDEN * words.sum()),
            _amounts(tree, totals, max(1.0, float(words.sum()))),
            _repetition(tree, totals, max(1.0, float(words.sum()))),
            _layout(page, tree, np.stack([words, links, kept, measures["ends"]], 1)),
        ],
        1,
    )


def logs(values: Any) -> Floats:
    """Logarithms of amounts, so that hundreds and thousands stay near 1."""
    return np.asarray(np.log1p(np.asarray(values, np.float32)) / 5, np.float32)


def unpacked(masks: Ints, num: int) -> Floats:
    """(len(masks), num): the bits of each."""
    return ((masks[:, None] >> np.arange(num)) & 1).astype(np.float32)


def _names(page: Outline, tree: _Tree, may_hide: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """For each of _TAGS whether it is around the block, and whether an element not shown is; then what the
    names say: inside the block and of the elements up to two around it, and of any around it.

    may_hide: of each frame; what holds most of a page is shown once its scripts have run.
    """
    bits = {tag: 1 << i for i, tag in enumerate(_TAGS)}
    hints = np.array([*(frame.hints for frame in page.frames), 0], np.int64)
    near = hints.copy()
    near[:-1] |= hints[tree.parents]
    inside = np.array([block.hints for block in page.blocks], np.int64)
    own = hints << len(_TAGS) + 1
    own[:-1] |= np.array([bits.get(tag, 0) for tag, _ in tree.kinds], np.int64)[tree.kind]
    hidden = np.array([frame.hidden for frame in page.frames], bool)
    own[:-1] |= (hidden & may_hide).astype(np.int64) << len(_TAGS)
    found = tree.inherited(own)[tree.of]
    return (
        unpacked(found, len(_TAGS) + 1),
        unpacked(near[tree.of] | inside, len(NAMES)),
        unpacked(found >> len(_TAGS) + 1, len(NAMES)),
    )


def _amounts(tree: _Tree, totals: Floats, whole: float) -> Floats:
    """Of the elements around: words, share of links, blocks, words of a block, share of the page, of running
    text, of what was kept elsewhere, of sentences; prices.
    """
    parents = np.append(tree.parents, -1)
    at = [tree.of]
    for _ in range(_LEVELS - 1):
        at.append(parents[at[-1]])
    words, links, blocks, text, kept, ends, price = np.moveaxis(totals[np.stack(at, 1)], 2, 0)
    found = np.stack(
        [
            logs(words), links / (words + 1), logs(blocks), logs(words / (blocks + 1e-3)), words / whole,
            text / (words + 1), kept / (words + 1), ends / (blocks + 1), logs(price),
        ],
        2,
    )  # fmt: skip
    depth_of = np.append(tree.depths, 0)[tree.of].astype(np.float32) / 20
    return np.concatenate([found.reshape(len(tree.of), -1), depth_of[:, None]], 1)


def _repetition(tree: _Tree, totals: Floats, whole: float) -> Floats:
    """Of the elements that stand beside others of their kind: the most numerous ones around the block, and
    those that hold most; how many, how long, how much of the page and of them is links, and whether no others
    on the page hold more.
    """
    group, num = _grouped((tree.parents + 1) * len(tree.kinds) + tree.kind)
    num += 1  # the last is for no group
    counts = np.bincount(group, minlength=num).astype(np.float32)
    sizes, links = (np.bincount(group, totals[:-1, i], num).astype(np.float32) for i in (0, 1))
    large = np.array([tag not in _SMALL for tag, _ in tree.kinds], bool)[tree.kind]
    scores = np.stack(
        [np.where(large, counts[group], 0), np.where(counts[group] > 1, sizes[group], 0)], 1, dtype=np.float32
    )
    many, most = _best(tree, group, scores, num).T
    counts[-1] = 0
    each = sizes / np.maximum(counts, 1)
    largest = max(1.0, float(sizes[counts > 2].max(initial=0)))
    return np.stack(
        [
            logs(counts[many]), logs(each[many]), logs(sizes[most]), logs(each[most]), logs(counts[most]),
            sizes[most] / whole, links[most] / (sizes[most] + 1), np.minimum(sizes[most] / largest, 1),
        ],
        1,
    )  # fmt: skip


def _best(tree: _Tree, group: Ints, scores: Floats, none: int) -> Ints:
    """For each block and column of scores the group, of those around it, that scores most; the outermost of
    equals.
    """
    best = np.full((len(group) + 1, scores.shape[1]), none - 1, np.int64)
    reached = np.zeros(best.shape, np.float32)
    for level in tree.levels:
        outer, score = tree.parents[level], scores[level]
        before = reached[outer]
        best[level] = np.where(score > before, group[level, None], best[outer])
        reached[level] = np.maximum(score, before)
    return best[tree.of]


def _layout(page: Outline, tree: _Tree, of_blocks: Floats) -> Floats:
    """The blocks of the same kind in the same two elements: how many, how long, how much of them is links,
    was kept elsewhere and ends as sentences, and how much of the page they are.
    """
    num = len(tree.kinds) + 1  # the last is that of no frame
    kind = np.append(tree.kind, num - 1)
    outer = np.append(kind[tree.parents], num - 1)
    _, own = _numbered([block.kind for block in page.blocks])
    group, _ = _grouped((own * num + kind[tree.of]) * num + outer[tree.of])
    counts = np.bincount(group).astype(np.float32)
    words, links, kept, ends = (np.bincount(group, column) for column in of_blocks.T)
    found = np.stack(
        [
            logs(counts), logs(words / counts), links / (words + 1), kept / (words + 1), ends / counts,
            words / (words.sum() + 1),
        ],
        1,
    )  # fmt: skip
    return np.asarray(found[group], np.float32)


def _numbered(values: Sequence[_Value]) -> tuple[list[_Value], Ints]:
    """Those that differ, and of each value its number among them."""
    numbers: dict[_Value, int] = {}
    found = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), np.array(found, np.int64)


def _grouped(keys: Ints) -> tuple[Ints, int]:
    """Of each key the number of its group, whose keys are equal, and how many groups there are."""
    different, group = np.unique(keys, return_inverse=True)
    return group, len(different)
