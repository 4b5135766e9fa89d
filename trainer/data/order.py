"""The order of samples: sample i is a function of the seed, i and the catalog, and of nothing else.

Parts follow one another by their numbers in the catalog. Up to `parts` of them that follow each other in one
phase make a block, and within a block the sequences are shuffled by the seed and the block's first number. A
block is never left open for what may come: it is given when it is full or a part of another phase has
followed. So neither the speed at which parts arrive nor a restart changes which sample has which index, and
the samples of a phase are all before those of the next.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.data.catalog import Entry
from trainer.errors import DataError


class Sample(NamedTuple):
    """A sample's place: the part and the number of the sequence in it."""

    part: Entry
    sequence: int


class Start(NamedTuple):
    """Where a block begins: its first part's number and name, and the index of its first sample."""

    number: int = 0
    first: int = 0
    name: str = ""


FIRST = Start()


class Block(NamedTuple):
    """Parts that are shuffled together. ends: (parts,), number of samples up to the end of each."""

    start: Start
    parts: tuple[Entry, ...]
    ends: tuple[int, ...]

    @property
    def end(self) -> int:
        """The index after its last sample."""
        return self.start.first + self.ends[-1]


class Order:
    """Cuts entries of the catalog into blocks and says where each sample lies.

    count: number of sequences of a part. start: a block to begin at, whose samples before it are unknown.
    """

    def __init__(
        self, count: Callable[[Entry], int], *, seed: int, parts: int = 1, start: Start | None = None
    ) -> None:
        self._count, self._seed, self._parts = count, seed, parts
        self._start = start or FIRST
        self._open: list[Entry] = []
        self._blocks: list[Block] = []
        self._firsts: list[int] = []

    @property
    def first(self) -> int:
        """The first index that is known."""
        return self._start.first

    @property
    def end(self) -> int:
        """The index after the last that is known."""
        return self._blocks[-1].end if self._blocks else self._start.first

    @property
    def waiting(self) -> int:
        """Parts that wait for their block to become full."""
        return len(self._open)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take up the entries that follow. Raises DataError when it is another river's catalog."""
        for entry in entries:
            if not self._blocks and not self._open:
                self._check(entry)
            if self._open and entry.phase != self._open[0].phase:
                self._close()
            self._open.append(entry)
            if len(self._open) == self._parts:
                self._close()

    def block(self, index: int) -> Block:
        """The block of a sample from `first` up to `end`."""
        if not self.first <= index < self.end:
            raise IndexError(f"sample {index} is not among those from {self.first} up to {self.end}")
        return self._blocks[bisect_right(self._firsts, index) - 1]

    def samples(self, indices: Sequence[int]) -> list[Sample]:
        """Where samples from `first` up to `end` lie."""
        found = []
        for index in indices:
            block = self.block(index)
            within = index - block.start.first
            if block.ends[-1] > 1:
                within = int(_permutation(self._seed, block.start.number, block.ends[-1])[within])
            part = bisect_right(block.ends, within)
            found.append(Sample(block.parts[part], within - (block.ends[part - 1] if part else 0)))
        return found

    def _close(self) -> None:
        start = Start(self._open[0].number, self.end, self._open[0].name)
        ends = np.cumsum([self._count(entry) for entry in self._open]).tolist()
        self._blocks.append(Block(start, tuple(self._open), tuple(ends)))
        self._firsts.append(start.first)
        self._open = []

    def _check(self, entry: Entry) -> None:
        if self._start.name and (entry.number, entry.name) != (self._start.number, self._start.name):
            raise DataError(
                f"part {entry.number} of the catalog is {entry.name}, and this run has read "
                f"{self._start.name} under that number: it is another river's catalog. Set data.store to the "
                "one that this run began with, or begin another run"
            )


@lru_cache(maxsize=8)
def _permutation(seed: int, number: int, size: int) -> NDArray[np.int64]:
    """By RandomState: its numbers are the same in every release of numpy, Generator's are not (NEP 19)."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, "<u4")).permutation(size).astype(np.int64)
