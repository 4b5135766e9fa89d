"""The long sketch: how alike two texts are, known well enough to tell 0.79 from 0.8 among hundreds.

An odd sketch (Mitzenmacher, Pagh and Pham, "Efficient estimation for high similarities using odd
sketches", WWW 2014): each distinct shingle turns over one of BITS bits. What two texts share cancels, so
the bits in which their sketches differ count the shingles that only one of them has, and these are few
where the texts are alike. Of a text of more than CAPACITY shingles the same part of all is taken in every
text. Its standard error at J = 0.8 is 0.005, against the 0.013 of what each document has; it costs 40 us of
CPU for 3 kB, and 517 bytes, and is made of those documents only that stand in a crowd.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dedup.fine_sketch import counted, jaccard
from services.dedup.shingles import Words, mix, shingles

BITS = 4096
CAPACITY = 2 * BITS  # shingles that turn bits over: at J = 0.8 a quarter of the bits of two texts differ
_HEAD = struct.Struct("<BI")  # level, count
SIZE = _HEAD.size + BITS // 8
_SCATTER = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True, slots=True)
class OddSketch:
    """level: one in 2^level shingles was taken. count: how many these were. bits: packed, BITS / 8 bytes."""

    level: int
    count: int
    bits: bytes

    def pack(self) -> bytes:
        """SIZE bytes."""
        return _HEAD.pack(self.level, self.count) + self.bits

    @classmethod
    def unpack(cls, value: bytes) -> OddSketch:
        """What was packed. Raises struct.error when the value is none."""
        level, count = _HEAD.unpack_from(value)
        return cls(level, count, value[_HEAD.size : SIZE])


class Shingles:
    """The shingles of one text, from which its sketch at any level is made."""

    def __init__(self, text: str) -> None:
        hashes = mix(shingles([text])[0], _SCATTER)
        hashes.sort()
        first = np.ones(len(hashes), bool)
        np.not_equal(hashes[1:], hashes[:-1], out=first[1:])
        self._hashes: Words = hashes[first]
        self._made: dict[int, OddSketch] = {}

    def sketch(self, level: int | None = None) -> OddSketch:
        """At this level, else at the text's own: the least at which it is within CAPACITY."""
        if level is None:
            level = 0
            while self._taken(level) > CAPACITY:
                level += 1
        if level not in self._made:
            taken = self._hashes[: self._taken(level)]
            turned = np.bincount((taken & np.uint64(BITS - 1)).view(np.int64), minlength=BITS)
            bits = np.packbits((turned & 1).astype(bool)).tobytes()
            self._made[level] = OddSketch(level, len(taken), bits)
        return self._made[level]

    def _taken(self, level: int) -> int:
        """Sorted, those below 2^(64 - level) come first."""
        return int(np.searchsorted(self._hashes, np.uint64((1 << 64 - level) - 1), side="right"))

    def likeness(
        self, others: Sequence[OddSketch]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Estimated Jaccard of this text and each of the others, and its standard error.

        At the level of the other one: that of a text of which it would be a near-duplicate is at most
        one away, and the shingles of this one are at hand.
        """
        own = self.sketch().level
        mine = [self.sketch(other.level if abs(other.level - own) <= 1 else own) for other in others]
        differing = counted(_rows(mine) ^ _rows(others))
        total = np.array([a.count + b.count for a, b in zip(mine, others, strict=True)], float)
        sampled = np.array([a.level > 0 for a in mine])
        comparable = np.array([a.level == b.level for a, b in zip(mine, others, strict=True)], bool)
        alike, error = jaccard(differing, np.maximum(total, 1.0), sampled, BITS)
        return np.where(comparable, alike, 0.0), error


def _rows(sketches: Sequence[OddSketch]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(each.bits for each in sketches), np.uint8).reshape(-1, BITS // 8)
