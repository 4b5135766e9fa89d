"""What is stored besides of a document in a crowd, that is, of one page of many from one template.

Pages of a template are alike without being copies, and meet in the bands by what the template says.
What is a page's own shows where its sketch differs from that of most pages around it: the least hashes
of those minima are its rare keys, under which two pages with the same text of their own meet, and two
others do not. Of two pages of J = 0.85 among pages of J = 0.7 one in three own minima is shared, so that
RARE keys miss them once in 25 times, and the bands find most of those.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from services.dedup import odd_sketch
from services.dedup.odd_sketch import OddSketch
from services.dedup.shingles import Words, constants, mix
from services.dedup.sketch import BITS, KEY_BITS

RARE = 8  # keys; with the sketch, a page takes some 1,000 bytes of Redis in all
KEY_BYTES = KEY_BITS // 8
SIZE = odd_sketch.SIZE + RARE * KEY_BYTES
_BIN = constants(5, BITS)
_LEAST = np.uint64(0xA24BAED4963EE407)


@dataclass(frozen=True, slots=True)
class Page:
    """sketch: the long one. rare: keys; none of a page so early that the bands keep it for ever."""

    sketch: OddSketch
    rare: tuple[int, ...] = ()

    def pack(self) -> bytes:
        """SIZE bytes."""
        return self.sketch.pack() + pack_keys(self.rare).ljust(RARE * KEY_BYTES, b"\0")

    @classmethod
    def unpack(cls, value: bytes) -> Page:
        """What was packed. Raises struct.error when the value is none."""
        starts = range(odd_sketch.SIZE, SIZE, KEY_BYTES)
        keys = [int.from_bytes(value[at : at + KEY_BYTES], "little") for at in starts]
        return cls(OddSketch.unpack(value), tuple(key for key in keys if key))


def pack_keys(keys: npt.ArrayLike) -> bytes:
    """KEY_BYTES of each, little-endian."""
    words = np.ascontiguousarray(keys, "<u8").reshape(-1, 1)
    return words.view(np.uint8)[:, :KEY_BYTES].tobytes()


def pack_rows(keys: Words) -> list[bytes]:
    """Of each row of keys those that are none of 0: one by one, the calls of NumPy cost ten times as much."""
    there = keys > 0
    packed = pack_keys(keys[there])
    ends = (np.cumsum(there.sum(axis=1)) * KEY_BYTES).tolist()
    return [packed[start:end] for start, end in pairwise([0, *ends])]


def unpack_keys(packed: bytes) -> Words:
    """The keys that were packed."""
    words = np.zeros((len(packed) // KEY_BYTES, 8), np.uint8)
    words[:, :KEY_BYTES] = np.frombuffer(packed, np.uint8).reshape(-1, KEY_BYTES)
    return words.view("<u8").reshape(-1).astype(np.uint64)


def late_last(packed: bytes, late: Collection[int]) -> tuple[bytes, int]:
    """The same keys, those that are `late` behind the others, and how many these are."""
    if not late:
        return packed, 0
    keys = [packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES)]
    last = [key for key in keys if int.from_bytes(key, "little") in late]
    return b"".join([*(key for key in keys if key not in last), *last]), len(last)


def rare_keys(minima: Words, around: npt.NDArray[np.uint8]) -> tuple[int, ...]:
    """Up to RARE keys of a page, least first. around: the stored bits of pages near it (n, BITS / 8)."""
    ones = np.unpackbits(around, axis=1).sum(axis=0, dtype=np.int64)
    template = ones * 2 > len(around)
    own = np.flatnonzero((minima[:BITS] >> np.uint64(63)).astype(bool) != template)
    keys = mix(minima[own] + _BIN[own], _LEAST) >> np.uint64(64 - KEY_BITS)
    return tuple(np.unique(keys[keys > 0])[:RARE].tolist())
