"""Multisets of uids by their number and sum in each of 1,024 ranges.

Two that are equal have equal sums. Two that differ do not, unless by chance: a uid is a hash, so that one
lost and another doubled agree in number, and in the sum mod 2^64 once in 2^64. As digests of key ranges do
(DeCandia et al., Dynamo, SOSP 2007, §4.7), they show where to look; but sums can be added, and taken away. 16
KiB each.
"""

from __future__ import annotations

import base64
from typing import Self

import numpy as np
import numpy.typing as npt

RANGES = 1024
_SHIFT = np.uint64(64 - 10)  # a uid's range is its top 10 bits

Uids = npt.NDArray[np.uint64]
InRanges = npt.NDArray[np.bool_]  # (RANGES,)

NO_UIDS: Uids = np.empty(0, np.uint64)


def uids_of(values: object) -> Uids:
    """As an array, (n,)."""
    return np.fromiter(values, np.uint64)  # type: ignore[call-overload, no-any-return]


def range_of(uids: Uids) -> npt.NDArray[np.intp]:
    """Of each, 0 to RANGES - 1."""
    return (uids >> _SHIFT).astype(np.intp)


class Sums:
    """number, total: (RANGES,); total mod 2^64."""

    def __init__(
        self, number: npt.NDArray[np.int64] | None = None, total: npt.NDArray[np.uint64] | None = None
    ) -> None:
        self.number = np.zeros(RANGES, np.int64) if number is None else number
        self.total = np.zeros(RANGES, np.uint64) if total is None else total

    def add(self, uids: Uids) -> None:
        """One more of each."""
        if len(uids):
            places = range_of(uids)
            self.number += np.bincount(places, minlength=RANGES)
            np.add.at(self.total, places, uids)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.number + other.number, self.total + other.total)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.number - other.number, self.total - other.total)

    @property
    def nonzero(self) -> InRanges:
        """Ranges in which there is anything: of a difference, those in which the two differ."""
        return np.asarray((self.number != 0) | (self.total != 0))

    def __len__(self) -> int:
        return int(self.number.sum())

    def encode(self) -> str:
        """As text, little-endian."""
        data = self.number.astype("<i8").tobytes() + self.total.astype("<u8").tobytes()
        return base64.b64encode(data).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """The inverse of encode. Raises ValueError."""
        data = base64.b64decode(text, validate=True)
        if len(data) != 16 * RANGES:
            raise ValueError(f"{len(data)} bytes of sums; {16 * RANGES} are needed")
        number, total = data[: 8 * RANGES], data[8 * RANGES :]
        return cls(
            np.frombuffer(number, "<i8").astype(np.int64), np.frombuffer(total, "<u8").astype(np.uint64)
        )
