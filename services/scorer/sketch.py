"""A quantile sketch of raw scores, by which a score becomes a rank."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


class Standing(NamedTuple):
    """Where a score stands. below, upto: shares of the scores that are lower, and that are not higher."""

    below: float
    upto: float

    @property
    def rank(self) -> float:
        """Mid-rank: documents with the same score have the same rank, 1/2 if all are equal."""
        return (self.below + self.upto) / 2

    def place(self, lot: float) -> float:
        """One place among equals, by a lot in 0..1.

        Places are evenly spread over 0..1 also where many scores are equal: a threshold keeps its share.
        """
        return self.below + lot * (self.upto - self.below)


class Sketch:
    """A KLL sketch (Karnin, Lang, Liberty 2016) of the Apache DataSketches library, over float64.

    Its normalised rank error at 99 % confidence is 0.53 % at k=512, whatever was merged in which order (the
    library's own figure, `get_normalized_rank_error`); up to k documents it is exact. At most some 12 kB.
    """

    def __init__(self, made: Any) -> None:
        self._kll = made

    @classmethod
    def of(cls, scores: Scores, k: int) -> Sketch:
        """Of a batch. Scores are finite."""
        from datasketches import kll_doubles_sketch

        made = kll_doubles_sketch(k)
        made.update(np.ascontiguousarray(scores, np.float64))
        return cls(made)

    @classmethod
    def load(cls, data: bytes) -> Sketch:
        """What `data` gave. Raises ValueError for anything else."""
        from datasketches import kll_doubles_sketch

        try:
            return cls(kll_doubles_sketch.deserialize(data))
        except (IndexError, RuntimeError) as error:
            raise ValueError(str(error)) from error

    @property
    def data(self) -> bytes:
        """It in the library's format."""
        found: bytes = self._kll.serialize()
        return found

    @property
    def count(self) -> int:
        """How many scores went in."""
        return int(self._kll.n)

    def merge(self, other: Sketch) -> None:
        """Take in all of the other, which stays as it is."""
        self._kll.merge(other._kll)

    def standing(self, score: float) -> Standing:
        """Of any score. At least one must have gone in."""
        return Standing(self._kll.get_rank(score, inclusive=False), self._kll.get_rank(score, inclusive=True))
