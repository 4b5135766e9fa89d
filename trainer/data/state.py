"""Where the data stands: a few numbers that a checkpoint keeps.

A skip names samples that are never given again. Those that lie ahead are all kept. Those behind are of use
only to who goes back to an older checkpoint, and so they stay as long as there is room, the newest longest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

from trainer.data.order import FIRST, Start
from trainer.errors import DataError

MAX_RANGES = 100  # of up to 12 digits: below 3 KB

Range = tuple[int, int]


@dataclass(frozen=True)
class DataState:
    """index: of the next sample. skipped: half-open ranges, in order, apart. block: where that of the last
    sample begins, so that a restart need not count from the first part. step: steps given so far.
    vocabulary: its digest, once it is known.
    """

    index: int = 0
    skipped: tuple[Range, ...] = ()
    block: Start = FIRST
    step: int = 0
    vocabulary: str = ""

    def skipping(self, ranges: Iterable[Sequence[int]]) -> DataState:
        """The same with more ranges skipped, those behind included."""
        return replace(self, skipped=bounded(merged([*self.skipped, *ranges]), self.index))

    def take(self, count: int) -> list[int]:
        """The next samples that are not skipped."""
        taken: list[int] = []
        index = self.index
        for start, end in self.skipped:
            taken.extend(range(index, min(start, index + count - len(taken))))
            index = max(index, end)
        rest = count - len(taken)
        return taken + list(range(index, index + rest))

    def to_json(self) -> str:
        """Below 4 KB."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> DataState:
        """The inverse of to_json. Raises DataError."""
        try:
            plain = json.loads(text)
            number, first, name = plain["block"]
            skipped = merged(plain["skipped"])
            block = Start(int(number), int(first), str(name))
            state = cls(int(plain["index"]), skipped, block, int(plain["step"]), str(plain["vocabulary"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"a checkpoint's state of the data cannot be read ({error!r})") from error
        if not 0 <= block.first <= state.index:
            raise DataError("a checkpoint's state of the data cannot be: its block begins after its index")
        return state


def merged(ranges: Iterable[Sequence[int]]) -> tuple[Range, ...]:
    """The same samples as ranges in order that neither touch nor are empty. Raises ValueError."""
    found: list[Range] = []
    for start, end in sorted((int(start), int(end)) for start, end in ranges):
        if start < 0:
            raise ValueError("samples are numbered from 0")
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def bounded(ranges: Sequence[Range], index: int) -> tuple[Range, ...]:
    """At most MAX_RANGES: the oldest behind `index` go first; ahead, those closest together become one.

    The second gives up good samples between bad ones, which is the lesser evil: a skipped one must not
    come back.
    """
    ahead = [each for each in ranges if each[1] > index]
    while len(ahead) > MAX_RANGES:
        gaps = [after[0] - before[1] for before, after in pairwise(ahead)]
        near = gaps.index(min(gaps))
        ahead[near : near + 2] = [(ahead[near][0], ahead[near + 1][1])]
    behind = [each for each in ranges if each[1] <= index]
    room = MAX_RANGES - len(ahead)
    return (*behind[len(behind) - min(room, len(behind)) :], *ahead)
