"""Whom a document met under its keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain
from typing import NamedTuple

# A key keeps its first FOUNDERS for ever, and of those that come later the BEST best. Whoever comes where
# the founders are complete stands in a crowd, and can be found by further keys of its own (page.py).
FOUNDERS, BEST = 7, 9


class Others(NamedTuple):
    """Under one key. kept: uids of those that it keeps. away: about how many it no longer keeps.

    about: who comes again counts again. late: the key, where its founders are complete and the document in
    question is none of them; 0 elsewhere.
    """

    kept: Collection[int]
    away: int = 0
    late: int = 0


class Met:
    """Under each of its keys that had others. uids: those that any key keeps."""

    __slots__ = ("keys", "uids")

    def __init__(self, keys: Sequence[Others] = ()) -> None:
        self.keys = keys
        self.uids: set[int] = set().union(*[each.kept for each in keys]) if keys else set()

    @property
    def quiet(self) -> set[int]:
        """Of these, those met where the founders are incomplete."""
        return set().union(*(each.kept for each in self.keys if len(each.kept) < FOUNDERS))

    @property
    def most(self) -> int:
        """The number of others under one key, those that it no longer keeps included."""
        return max((len(each.kept) + each.away for each in self.keys), default=0)

    @property
    def missed(self) -> int:
        """Others that are no longer kept, summed over the keys."""
        return sum(each.away for each in self.keys)

    @property
    def late(self) -> frozenset[int]:
        """The keys under which the document came too late to be a founder."""
        return frozenset(each.late for each in self.keys if each.late)

    def likeliest(self, most: int, besides: Collection[int]) -> list[int]:
        """No more than `most`: those met under the most keys, then those under one that has few others.

        Who is met once only, and in a crowd, is left out, and so are `besides`.
        """
        times = Counter(chain.from_iterable(each.kept for each in self.keys))
        often = [uid for uid, number in times.items() if number > 1 and uid not in besides]
        found = sorted(often, key=lambda uid: (-times[uid], uid))
        # Of equals in one order, whatever the order in which shards answer.
        for kept in sorted((sorted(each.kept) for each in self.keys), key=lambda kept: (len(kept), kept)):
            if len(found) >= most or len(kept) >= FOUNDERS:
                break
            found += [uid for uid in kept if times[uid] == 1 and uid not in besides]
        return found[:most]
