"""What the index stores of a document at first sight, in 180 bytes; it stands whatever comes later.

Which of two documents is better, and whether they are near-duplicates, is decided by their entries
alone, so each replica and each replay decides alike.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from contracts import Document
from services.dedup import fine_sketch
from services.dedup.sketch import BITS, similarity, standard_errors

_HEAD = struct.Struct("<fIB6s")  # standing ("rank"), seniority, threshold in steps, position
_STEPS = 200  # thresholds are kept in steps of 0.005
_STEP = 8  # where the threshold stands
_SHORT_STEPS = 164  # of two short texts no less: 0.82 of their grams is a cosine of 0.9, see fine_sketch.py
_SHORT = _HEAD.size + BITS // 8  # all that an entry was, before there was a fine sketch
HEAD = _HEAD.size
SIZE = _SHORT + fine_sketch.SIZE
PAIRS = 2000  # compared at a time: the arrays stay in the processor's cache

_FOREIGN_WEIGHT = fine_sketch.BITS / (fine_sketch.BITS + BITS)  # they are bits of one signature
_ERROR = 0.065  # of the estimate, by the part that differs: 0.013 at J = 0.8, of a long text
_YOUNGEST = 2**32 - 1  # seconds since 1970

Order = tuple[float, int, int]  # (rank, seniority, uid): the greater is the better document


class Entry(NamedTuple):
    """rank: see standing(), exact as float32. seniority: the greater, the earlier it was ingested.
    threshold: in steps of 1/200. position: of the first sight, hashed to 6 bytes; zeros when it has none.
    bits: of the short sketch. fine: the other, or fine_sketch.NONE.
    """

    uid: int
    rank: float
    seniority: int
    threshold: int
    position: bytes
    bits: bytes
    fine: bytes = fine_sketch.NONE

    @property
    def order(self) -> Order:
        """The greater is the better document."""
        return self.rank, self.seniority, self.uid

    @property
    def ingested_s(self) -> int:
        """Unix seconds at which its import began."""
        return _YOUNGEST - self.seniority

    @property
    def foreign(self) -> bool:
        """Whether its signature was made elsewhere, see foreign.py."""
        return fine_sketch.foreign_values(self.fine) > 0

    def standard_error(self, likeness: float) -> float:
        """Of the estimate of another one that is so like it."""
        if number := fine_sketch.foreign_values(self.fine):
            return fine_sketch.foreign_error(likeness, number, BITS + fine_sketch.BITS)
        return _ERROR * (1 - likeness)

    def pack(self) -> bytes:
        """SIZE bytes, without the uid."""
        return _HEAD.pack(self.rank, self.seniority, self.threshold, self.position) + self.bits + self.fine

    @classmethod
    def unpack(cls, uid: int, value: bytes) -> Entry:
        """The entry that was packed. Raises struct.error when the value is no entry."""
        rank, seniority, threshold, position = _HEAD.unpack_from(value)
        bits, fine = value[_HEAD.size : _SHORT], value[_SHORT:] or fine_sketch.NONE
        return cls(uid, rank, seniority, threshold, position, bits, fine)


def make_entry(document: Document, threshold: float, bits: bytes, fine: bytes = fine_sketch.NONE) -> Entry:
    """The entry of a document seen for the first time; without a score and a rank it ranks last."""
    seniority = _YOUNGEST - min(document.ingested_ms // 1000, _YOUNGEST)
    steps = round(threshold * _STEPS)
    return Entry(document.uid, standing(document), seniority, steps, position_token(document), bits, fine)


def standing(document: Document) -> float:
    """What is compared first, 0..1: the raw score where there is one, else the rank.

    A rank is measured against what has come in so far, so a copy that comes a day later has another one
    than its original and would be taken for better or worse; the score of a text stays. Rounded, because
    a model's answer moves in the seventh digit with what is judged beside it.
    """
    if document.HasField("score"):
        return float(np.float32(round(0.5 + math.atan(document.score) / math.pi, 3)))
    return document.rank + 0.0  # turns -0.0 into 0.0, whose bits sort with the others


def position_token(document: Document) -> bytes:
    """Where the document was first read, as 6 bytes; zeros when that is not known."""
    if not document.HasField("position"):
        return bytes(6)
    place = document.position
    name = f"{place.topic_id}\0{place.partition}\0{place.offset}".encode()
    return xxhash.xxh3_64_digest(name)[:6]


class Near(NamedTuple):
    """Another document, as the one in question sees it."""

    entry: Entry
    similarity: float  # estimated Jaccard, 0..1
    threshold: float  # of the pair: the higher of the two
    margin: float = 0.0  # by which the estimate must pass it, since many others were tried as well
    namespace: str = ""  # of the other, where it is not that of the one in question

    @property
    def duplicate(self) -> bool:
        """Whether the two are near-duplicates."""
        return self.similarity >= self.threshold + self.margin

    @property
    def spared(self) -> bool:
        """Whether the margin alone keeps them apart."""
        return self.similarity >= self.threshold and not self.duplicate


@dataclass(frozen=True, slots=True)
class Likeness:
    """Of one document to n others. similarity, threshold: of each pair, (n,). bits: theirs, (n, BITS / 8).

    others: uids and packed entries. They are unpacked where they matter: a page of a crowd meets dozens.
    """

    others: Sequence[tuple[int, bytes]]
    similarity: npt.NDArray[np.float64]
    threshold: npt.NDArray[np.float64]
    bits: npt.NDArray[np.uint8]

    def kin(self, least: float) -> list[int]:
        """Uids of those that are so like."""
        return [self.others[row][0] for row in (self.similarity >= least).nonzero()[0].tolist()]

    def within(self, distance: float) -> npt.NDArray[np.bool_]:
        """Which are no further below their threshold."""
        return self.similarity >= self.threshold - distance

    def nearest(self, distance: float = 0.0) -> list[Near]:
        """The likest, and those that are no further below their threshold."""
        which = self.within(distance)
        which[self.similarity.argmax()] = True
        rows = which.nonzero()[0].tolist()
        entries = [Entry.unpack(*self.others[row]) for row in rows]
        return list(map(Near, entries, self.similarity[rows].tolist(), self.threshold[rows].tolist()))


def compare(entry: Entry, others: Mapping[int, bytes]) -> Likeness:
    """How alike the others, one packed entry at least, are to entry. Symmetric: near(a, b) is near(b, a)."""
    return next(compare_each([(entry, others)]))


def compare_each(cases: Iterable[tuple[Entry, Mapping[int, bytes]]]) -> Iterator[Likeness]:
    """The same for each of many: one by one, the calls of NumPy cost ten times what they do."""
    group: list[tuple[Entry, Mapping[int, bytes]]] = []
    num_pairs = 0
    for case in cases:
        group.append(case)
        num_pairs += len(case[1])
        if num_pairs >= PAIRS:
            yield from _compared(group)
            group, num_pairs = [], 0
    if group:
        yield from _compared(group)


def _compared(cases: Sequence[tuple[Entry, Mapping[int, bytes]]]) -> Iterator[Likeness]:
    ones = _rows(entry.pack() * len(others) for entry, others in cases)
    rows = _rows(value for _, others in cases for value in others.values())
    bits = rows[:, _HEAD.size : _SHORT]
    short = similarity(ones[:, _HEAD.size : _SHORT], bits)
    finely = fine_sketch.estimate(ones[:, _SHORT:], rows[:, _SHORT:])
    steps = np.maximum(ones[:, _STEP], rows[:, _STEP])
    thresholds = np.where(finely.short, np.maximum(steps, _SHORT_STEPS), steps) / _STEPS
    alike = _together(short, finely)
    at = 0
    for _, others in cases:
        own = slice(at, at + len(others))
        yield Likeness(list(others.items()), alike[own], thresholds[own], bits[own])
        at = own.stop


def _rows(packed: Iterable[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(packed), np.uint8).reshape(-1, SIZE)


def _together(short: npt.NDArray[np.float64], fine: fine_sketch.Estimates) -> npt.NDArray[np.float64]:
    """Both estimates, each by its weight; of two short texts the fine one alone, and else whichever there is.

    Two short texts are compared by other pieces there, see fine_sketch.py.
    """
    variance = standard_errors(fine.alike) ** 2
    weight = variance / (variance + fine.error**2)
    weight = np.where(fine.short, 1.0, np.where(fine.known, weight, 0.0))
    weight = np.where(fine.foreign, _FOREIGN_WEIGHT, weight)
    return short + weight * (fine.alike - short)
