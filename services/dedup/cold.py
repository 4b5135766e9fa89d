"""The cold tier: of documents that came long ago only the band keys are known, in Bloom filters.

A document takes 18 bytes there with 12 bands, and up to twice that where a filter has just begun, where the
full index takes 390. What is lost: which document it was, how alike exactly, whether it was better. So a
newcomer drops for the cold tier where enough of its keys are there, whatever its score, and names nobody.
How many are enough follows from its threshold, see needed(): 4 of 12 at 0.8. That finds all pairs of J >=
0.95, 96 in 100 at 0.9, 41 at 0.8, and takes 5 in 100 of J = 0.7 for copies: plan.py.

The keys of one document stand in one filter, and count there together: of strangers a key seems to be there
in 5 cases of 1,000 where the filter is full, and 4 of 12 in 4 of 10 million. A filter that is full is
followed by one that is as large as all before it.

A key sets eight bits of one block of 32 bytes, one in each of eight words: Putze, Sanders and Singler,
"Cache-, hash- and space-efficient Bloom filters" (WEA 2007), with the factors of the Parquet format's
filter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.dedup.config import DedupConfig
from services.dedup.shingles import Words, mix

COLD = (1 << 64) - 1  # in place of the uid of who a document stands back for
BLOCK = 32  # bytes
BLOCKS = 32_766  # of a page: with what Redis needs beside a string, one size of its allocator, 1 MiB
PAGE = BLOCKS * BLOCK
BITS_A_KEY = 12
_FEWEST = 3  # keys: of fewer strangers would have enough too often
_PLACE = np.uint64(0xA3B195354A39B70D)
_SALTS = np.array(
    [0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31],
    np.uint32,
)

Masks = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Filter:
    """first: of its pages, which are numbered through all filters. keys: so many were added."""

    first: int
    pages: int
    keys: int = 0

    @property
    def room(self) -> int:
        """Keys until it is full, less than 0 where it is more than that."""
        return self.pages * PAGE * 8 // BITS_A_KEY - self.keys

    @property
    def seems(self) -> float:
        """Chance that a key that is not there seems to be."""
        load = self.keys / (self.pages * BLOCKS)  # keys of a block, on average
        most = int(load + 10 * math.sqrt(load) + 10)
        poisson = (
            [math.exp(n * math.log(load) - load - math.lgamma(n + 1)) for n in range(most)] if load else [1.0]
        )
        return sum(chance * (1 - (31 / 32) ** n) ** 8 for n, chance in enumerate(poisson))


@dataclass(frozen=True)
class Places:
    """Of n keys in one filter: page and offset in bytes of its block, (n,), and its bits there, (n, 8)."""

    pages: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.uint32]
    masks: Masks


class Trace(NamedTuple):
    """What the cold tier knows of a document. hits: of its keys; needed: so many are enough."""

    hits: int
    needed: int
    likeness: float
    namespace: str = ""

    @property
    def duplicate(self) -> bool:
        """Whether it drops."""
        return self.hits >= self.needed


def places(keys: Words, filter_: Filter) -> Places:
    """Where keys stand, (n,)."""
    mixed = mix(keys, _PLACE)
    block = (mixed >> np.uint64(32)) * np.uint64(filter_.pages * BLOCKS) >> np.uint64(32)
    page, within = np.divmod(block, np.uint64(BLOCKS))
    bits = mixed.astype(np.uint32)[:, None] * _SALTS >> np.uint32(27)
    return Places(
        (page + np.uint64(filter_.first)).astype(np.uint32),
        (within * np.uint64(BLOCK)).astype(np.uint32),
        np.left_shift(np.uint32(1), bits),
    )


def pages_for(keys: float) -> int:
    """Of a filter for so many."""
    return max(1, math.ceil(keys * BITS_A_KEY / 8 / PAGE))


def needed(threshold: float, config: DedupConfig) -> int:
    """Keys that are enough: as many as a pair at the threshold shares."""
    shared = math.ceil(config.bands * threshold**config.rows - 1e-9)
    return min(max(shared, _FEWEST), config.bands)


def likeness(hits: int, config: DedupConfig) -> float:
    """Estimated Jaccard of who shares so many."""
    return float((hits / config.bands) ** (1 / config.rows))


def at_least(hits: int, bands: int, each: float) -> float:
    """Chance of so many hits, each of which has this chance."""
    return math.fsum(
        math.comb(bands, n) * each**n * (1 - each) ** (bands - n) for n in range(hits, bands + 1)
    )


def false_drop(filters: Sequence[Filter], needed_: int, kinds: int, config: DedupConfig) -> float:
    """Chance that a document drops that is like nothing there. kinds: of keys that it has, 1 or 2."""
    passes = math.fsum(math.log1p(-at_least(needed_, config.bands, each.seems)) for each in filters)
    return -math.expm1(kinds * passes)
