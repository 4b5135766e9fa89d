"""The posts of a thread are laid out alike: where the first of them hold main text, the others do.

A reply of one line, far down the page, has little by itself that tells it from a button. Posts are told by
the page's own repetition: elements of one kind side by side, and in each of them, at the same place, a block.
What most of the first ones were thought to be goes for all. Where bodies of posts are named as the engines of
boards name them (hints.POST), and some of the first are kept, all are, and what stands between them is not:
writers, dates, buttons. The shares were chosen on gold pages and 59 threads of 12 boards.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import reduce
from operator import or_

from services.parse.html.blocks import Block, Frame, Outline
from services.parse.html.hints import NAMES, POST, SIGNATURE

_TEXTS = frozenset({"p", "cell", "item", "code", "pre", "dd"})
_MEMBERS = frozenset({"p", "li", "dd", "blockquote", "pre"})  # of a text; they need no name to be one's place
_COMMENT = 1 << NAMES.index("comment")
_OF_THREADS = _COMMENT | sum(1 << NAMES.index(name) for name in ("post", "answer"))
_AROUND = 3  # elements, from the inside, whose kinds make a place
_FIRST = 6  # posts that are asked: the others are further from what the network saw
_ASKED = 12  # blocks of them at least, before more is done
_LEAST = 3  # posts, and …
_KEPT, _WORDS_KEPT = 0.5, 0.65  # … so many of the first ones and of their words; of named ones …
_NAMED_KEPT = 0.3
_REGULAR = 0.8  # of the gaps between posts have something at the same place, such as a writer's name
_CLIMB = 12  # elements from a block to the post around it
_CHANCE = 12  # characters; a shorter text is said twice by chance
_RULE = re.compile(r"[_-]{10,}(?:\n|$)")  # above a signature

_Place = tuple[tuple[str, str], ...]
_Posts = dict[int, list[int]]  # of the element that a post is, its blocks


def by_posts(page: Outline, kept: Sequence[bool], may: Sequence[bool]) -> list[bool]:
    """Which blocks are kept, told by posts. kept: which were. may: which may be kept at all.

    Not what a post quotes or is signed with, nor posts that stand on the page twice, for scripts or
    telephones. Linear in the blocks and frames.
    """
    names = _names(page)
    if not names & (_OF_THREADS | POST):
        return list(kept)
    named = _named(page, kept) if names & POST else {}
    found = list(kept)
    lacking = [[i for i in post if may[i] and not kept[i]] for post in (*named.values(), *_alike(page, kept))]
    if any(lacking):
        there = {block.text for block, keep in zip(page.blocks, kept, strict=True) if keep}
        for post in lacking:
            texts = [page.blocks[i].text for i in post]
            if not any(len(text) > _CHANCE and text in there for text in texts):
                for i in post:
                    found[i] = True
    if names & POST:
        for i in (*(_between(page) if named else ()), *_signed(page)):
            found[i] = False
    return found


def _names(page: Outline) -> int:
    """What any name on the page says."""
    return reduce(or_, {*(frame.hints for frame in page.frames), *(block.hints for block in page.blocks)}, 0)


def _named(page: Outline, kept: Sequence[bool]) -> _Posts:
    """What stands in bodies that the engine names, if there are several and some of the first are kept."""
    found: _Posts = defaultdict(list)
    for i, block in enumerate(page.blocks):
        if block.kind in _TEXTS and (body := _body_of(page, block)) >= 0:
            found[body].append(i)
    first = list(found.values())[:_FIRST]
    if len(first) < 2 or sum(any(kept[i] for i in post) for post in first) < _NAMED_KEPT * len(first):
        return {}
    return found


def _body_of(page: Outline, block: Block) -> int:
    """The body of a post that a block stands in, no quotation or element of another name between; or -1."""
    if block.hints & POST:
        return block.frame
    for at in reversed(_path(page, block)):
        frame = page.frames[at]
        if frame.hints & POST:
            return at
        if frame.kind[1] or frame.tag == "blockquote":
            break
    return -1


def _between(page: Outline) -> list[int]:
    """What stands between bodies, in none, where the gaps are alike; but titles, and comments on a post."""
    inside = _below(page, POST)
    gaps: list[list[int]] = [[]]
    for i, block in enumerate(page.blocks):
        if not (block.hints & POST or block.frame in inside):
            gaps[-1].append(i)
        elif gaps[-1]:
            gaps.append([])
    gaps = gaps[1:-1]  # before the first body, and behind the last
    often: Counter[_Place] = Counter()
    for gap in gaps:
        often.update({tuple(map(_kind, _around(page, page.blocks[i]))) for i in gap})
    if len(gaps) < 2 or max(often.values()) < _REGULAR * len(gaps):
        return []
    return [
        i
        for gap in gaps
        for i in gap
        if page.blocks[i].kind != "h" and not _near(page, page.blocks[i]) & _COMMENT
    ]


def _signed(page: Outline) -> list[int]:
    """What a writer puts under each post: in an element of its own, or under a rule."""
    named = [*(frame.hints for frame in page.frames), *(block.hints for block in page.blocks)]
    if sum(hints & POST > 0 for hints in named) < 2:
        return []
    inside = _below(page, SIGNATURE)
    found = []
    under = -1  # the element in which a rule was
    for i, block in enumerate(page.blocks):
        if _RULE.match(block.text):
            under = block.frame
        elif block.frame != under:
            under = -1
        if under >= 0 or block.frame in inside:
            found.append(i)
    return found


def _below(page: Outline, hint: int) -> set[int]:
    """Elements with a hint, and all in them."""
    found: set[int] = set()
    for i, frame in enumerate(page.frames):
        if frame.hints & hint or frame.parent in found:
            found.add(i)
    return found


def _near(page: Outline, block: Block) -> int:
    """What the names of the two elements around a block say."""
    if block.frame < 0:
        return 0
    frame = page.frames[block.frame]
    return frame.hints | (page.frames[frame.parent].hints if frame.parent >= 0 else 0)


def _alike(page: Outline, kept: Sequence[bool]) -> Iterable[list[int]]:
    """What stands at the same place in elements of one kind, side by side, if most of it is kept."""
    kinds = {page.frames[block.frame].kind for block, keep in zip(page.blocks, kept, strict=True) if keep}
    like = [
        i
        for i, block in enumerate(page.blocks)
        if block.kind in _TEXTS and block.frame >= 0 and page.frames[block.frame].kind in kinds
    ]
    if all(map(kept.__getitem__, like)):
        return
    places: dict[_Place, list[int]] = defaultdict(list)
    lacking: set[_Place] = set()
    for i in like:
        if (place := _place(page, page.blocks[i])) is not None:
            places[place].append(i)
            if not kept[i]:
                lacking.add(place)
    for place in lacking:
        at = places[place]
        if len({page.blocks[i].frame for i in at}) < _LEAST or not any(kept[i] for i in at[:_ASKED]):
            continue
        posts = _posts(page, at)
        if len(posts) >= _LEAST and _are_kept(page, list(posts.values())[:_FIRST], kept):
            yield from posts.values()


def _are_kept(page: Outline, posts: Sequence[Sequence[int]], kept: Sequence[bool]) -> bool:
    """Whether most of the posts are, and of their words."""
    words = sum(page.blocks[i].words for post in posts for i in post)
    found = sum(page.blocks[i].words for post in posts for i in post if kept[i])
    return (
        sum(any(kept[i] for i in post) for post in posts) >= _KEPT * len(posts)
        and found >= _WORDS_KEPT * words
    )


def _posts(page: Outline, blocks: Sequence[int]) -> _Posts:
    """Posts are elements of one kind side by side, the innermost of which there are several, and named as in
    a thread; what stands below others of them, such as an answer to an answer, is of the outermost.
    """
    paths = {page.blocks[i].frame: _path(page, page.blocks[i]) for i in blocks}
    for up in range(_CLIMB):
        beside: dict[tuple[int, tuple[str, str]], set[int]] = defaultdict(set)
        for path in paths.values():
            if len(path) > up + 1 and _may_be_post(page.frames[path[-1 - up]], up):
                beside[path[-2 - up], _kind(page.frames[path[-1 - up]])].add(path[-1 - up])
        many = {holder: len(posts) for (holder, _), posts in beside.items() if len(posts) >= _LEAST}
        if 2 * sum(many.values()) >= sum(map(len, beside.values())) > 0:
            return _below_holders(page, blocks, paths, many.keys())
    return {}


def _below_holders(
    page: Outline, blocks: Sequence[int], paths: Mapping[int, Sequence[int]], holders: Set[int]
) -> _Posts:
    """What stands in the elements right below the holders, if anything there is named as in a thread."""
    found: _Posts = defaultdict(list)
    names = 0
    for i in blocks:
        path = paths[page.blocks[i].frame]
        at = next((at for at, frame in enumerate(path) if frame in holders), len(path))
        if at + 1 < len(path):
            found[path[at + 1]].append(i)
            for frame in path[at:]:
                names |= page.frames[frame].hints
    return found if names & _OF_THREADS else {}


def _may_be_post(frame: Frame, up: int) -> bool:
    """A paragraph beside others is none: there are elements in a post, or it has a name."""
    return up > 0 or (frame.tag not in _MEMBERS and bool(frame.kind[1] or frame.stem))


def _kind(frame: Frame) -> tuple[str, str]:
    """Its tag, and what it is called."""
    return (frame.tag, frame.kind[1] or frame.stem)


def _place(page: Outline, block: Block) -> _Place | None:
    """What blocks that are laid out alike have in common; None where too little is named to say, and for what
    is quoted.
    """
    own = _kind(page.frames[block.frame])
    if not own[1] and own[0] not in _MEMBERS and not block.hints & POST:
        return None
    around = _around(page, block)
    if any(frame.tag == "blockquote" and not frame.hints & POST for frame in around):
        return None
    kinds = tuple(map(_kind, around))
    return (*kinds, ("", "post" if block.hints & POST else "")) if any(name for _, name in kinds) else None


def _around(page: Outline, block: Block) -> list[Frame]:
    """The elements around it that make its place."""
    return [page.frames[at] for at in _path(page, block, _AROUND)]


def _path(page: Outline, block: Block, most: int = _CLIMB + 2) -> list[int]:
    """The elements around a block, from the outside; no more than may be of a post."""
    found: list[int] = []
    at = block.frame
    while at >= 0 and len(found) < most:
        found.append(at)
        at = page.frames[at].parent
    return found[::-1]
