"""The fine sketch: how alike two texts are, known within 0.02 where it matters, near a threshold.

An odd sketch (Mitzenmacher, Pagh and Pham, "Efficient estimation for high similarities using odd sketches",
WWW 2014): each distinct shingle turns over one bit, what two texts share cancels, and the bits in which their
sketches differ count the shingles that only one of them has. Of a text of more than CAPACITY shingles one in
2^level is taken, those whose hash begins with `level` zeros, and they lie in two halves: those with no more
zeros, and the rest. So a text of the next level is compared as well, its two halves laid together with the
second half of the other. The likeness is a function of the two sketches alone, and the same from both sides.

A short text has its shingles in the first half, and its grams (shingles.py) in the second. Two short texts
are compared by the grams, since one word that is changed in a sentence leaves too few of the shingles: where
both have as many, J = 0.82 of grams is a cosine of their counts of 0.9. A short text and a longer one are
compared by the shingles.

Its standard error at J = 0.8 is 0.009 for texts of 300 shingles, 0.012 for 1,000 and at most 0.016 for longer
ones, which is 0.013 together with the short sketch's 0.031 (see entry.compare). It takes 117 bytes, and some
30 us of CPU for 5 kB.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.dedup.shingles import Words, mix

HALF = 448  # bits
BITS = 2 * HALF
CAPACITY = 2 * BITS  # shingles: at J = 0.8 a fifth of the bits of two texts differ
_HEAD = struct.Struct("<BHH")  # level, count of each half
SIZE = _HEAD.size + BITS // 8
_HALF = HALF // 8
_SCATTER = np.uint64(0x9FB21C651E98DF25)
_COUNTS = np.dtype("<u1,<u2,<u2")  # as _HEAD
NONE = b"\xff" + bytes(SIZE - 1)  # of a document that was entered before there were such sketches
_MOST = 48  # levels
_SHORT, _FOREIGN = 0xFE, 0xFD  # in place of the level
_LEAST_ERROR = 0.002  # an estimate is never trusted more

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


class Estimates(NamedTuple):
    """Of n pairs of texts: Jaccard, its standard error, and whether the two sketches say anything.

    short: both texts are; their grams were compared. foreign: signatures made elsewhere, of one kind.
    """

    alike: Floats
    error: Floats
    known: npt.NDArray[np.bool_]
    short: npt.NDArray[np.bool_]
    foreign: npt.NDArray[np.bool_]


def foreign_head(num_perm: int, kind: int) -> bytes:
    """What comes before the bits of a signature made elsewhere, see foreign.py. kind: 16 bits."""
    return _HEAD.pack(_FOREIGN, num_perm, kind)


def foreign_values(sketch: bytes) -> int:
    """Of how many values a signature is that was made elsewhere; 0 of one that was made here."""
    level, num_perm, _ = _HEAD.unpack_from(sketch)
    return num_perm if level == _FOREIGN else 0


def foreign_error(likeness: float, values: int, bits: int) -> float:
    """Standard error of an estimate by so many bits, of all values alike."""
    return math.sqrt((1 - likeness) / bits + likeness * (1 - likeness) / values)


def short_sketch(hashes: Words, grams: Words) -> Bytes:
    """SIZE bytes, of a short text's shingles, of which the same may come again, and of its grams."""
    distinct = np.unique(mix(hashes, _SCATTER))
    places = np.concatenate([distinct % np.uint64(HALF), grams % np.uint64(HALF) + np.uint64(HALF)])
    return _packed(_SHORT, len(distinct), len(grams), places.view(np.int64))


def fine_sketch(hashes: Words) -> Bytes:
    """SIZE bytes, of the hashes of a text's shingles, of which the same may come again."""
    level = 0
    while len(hashes) >> level > CAPACITY and level < _MOST:
        level += 1
    scattered = mix(hashes, _SCATTER)
    if level:
        scattered = scattered[scattered < np.uint64(1 << 64 - level)]
    scattered.sort()
    first = np.ones(len(scattered), bool)
    np.not_equal(scattered[1:], scattered[:-1], out=first[1:])
    taken = scattered[first]
    deep = int(np.searchsorted(taken, np.uint64(1 << 63 - level)))
    places = (taken % np.uint64(HALF)).view(np.int64)
    places[:deep] += HALF
    return _packed(level, len(taken) - deep, deep, places)


def _packed(level: int, top: int, deep: int, places: Counts) -> Bytes:
    turned = np.bincount(places, minlength=BITS)
    packed = np.empty(SIZE, np.uint8)
    packed[: _HEAD.size] = np.frombuffer(_HEAD.pack(level, top, deep), np.uint8)
    packed[_HEAD.size :] = np.packbits((turned & 1).astype(bool))
    return packed


@dataclass(frozen=True, slots=True)
class _Side:
    """Of each pair one sketch: level, shingles in each half, bits of each half, (n,) and (n, HALF / 8)."""

    level: Counts
    top: Counts
    deep: Counts
    top_bits: Bytes
    deep_bits: Bytes

    @classmethod
    def of(cls, sketches: Bytes) -> _Side:
        heads = np.ascontiguousarray(sketches[:, : _HEAD.size]).view(_COUNTS).reshape(-1)
        level, top, deep = (heads[name].astype(np.int64) for name in ("f0", "f1", "f2"))
        bits = sketches[:, _HEAD.size :]
        return cls(level, top, deep, bits[:, :_HALF], bits[:, _HALF:])

    @property
    def all(self) -> Counts:
        return self.top + self.deep

    @property
    def all_bits(self) -> Bytes:
        """The two halves laid together."""
        return self.top_bits ^ self.deep_bits


def estimate(ones: Bytes, others: Bytes) -> Estimates:
    """Of n pairs of sketches, (n, SIZE) of each side. Symmetric."""
    a, b = _Side.of(ones), _Side.of(others)
    a_short, b_short = a.level == _SHORT, b.level == _SHORT
    known = (a.level == b.level) & (a.level <= _MOST)
    differing = counted(ones[:, _HEAD.size :] ^ others[:, _HEAD.size :])
    total, bits = a.all + b.all, np.full(len(known), BITS)
    ways = [
        (a_short & b_short, a.deep_bits, b.deep_bits, a.deep + b.deep),
        (a_short & (b.level == 0), a.top_bits, b.all_bits, a.top + b.all),
        (b_short & (a.level == 0), a.all_bits, b.top_bits, a.all + b.top),
        ((b.level == a.level + 1) & ~b_short, a.deep_bits, b.all_bits, a.deep + b.all),
        ((a.level == b.level + 1) & ~a_short, a.all_bits, b.deep_bits, a.all + b.deep),
    ]
    for which, of_a, of_b, together in ways:
        rows = which.nonzero()[0]
        differing[rows] = counted(of_a[rows] ^ of_b[rows])
        total[rows], bits[rows], known[rows] = together[rows], HALF, True
    known &= (a.level != NONE[0]) & (b.level != NONE[0])
    foreign = (a.level == _FOREIGN) & (b.level == _FOREIGN) & (a.top == b.top) & (a.deep == b.deep)
    sampled = np.where(a_short, 0, a.level) + np.where(b_short, 0, b.level) > 0
    alike, error = jaccard(differing, np.maximum(total, 1.0), sampled, bits)
    alike = np.where(foreign, np.maximum(1.0 - 2.0 * differing / BITS, 0.0), alike)
    return Estimates(alike, np.maximum(error, _LEAST_ERROR), known | foreign, a_short & b_short, foreign)


def jaccard(
    differing: Counts,
    total: Floats,
    sampled: npt.NDArray[np.bool_],
    bits: Counts | int,
) -> tuple[Floats, Floats]:
    """Of the bits that differ between two odd sketches, (n,): Jaccard and its standard error.

    From these to the shingles that only one has, d: J = (total - d) / (total + d). The error is that of d
    shingles thrown on so many bits, and, where they are a part of all, of the sample.
    """
    odd = np.minimum(2 * differing / bits, 1 - 1 / bits)
    load = -np.log1p(-odd) / 2
    lone = np.minimum(load * bits, total)
    alike = (total - lone) / (total + lone)
    twice = np.exp(-4 * load)
    thrown = bits / 4 * (1 - twice) - bits * load * twice  # variance of `differing` for a fixed d
    slope = 2 * total / (total + lone) ** 2 / np.exp(-2 * load)
    sample = np.where(sampled, alike * (1 - alike) * 2 / (total + lone), 0.0)
    return alike, np.sqrt(np.maximum(thrown, 0.0) * slope**2 + sample)


def counted(bits: Bytes) -> Counts:
    """How many are set of each row, (n,), of packed bits, a multiple of 64."""
    counts: Counts = np.bitwise_count(np.ascontiguousarray(bits).view(np.uint64)).sum(axis=-1, dtype=np.int64)
    return counts
