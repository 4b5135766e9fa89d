"""A fair sample of a group's scores, in bounded memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# A share of 95 % is then met within .3 points (99 %): 2.58 standard deviations of sqrt(p (1 - p) / SIZE).
SIZE = 1 << 15


class Sample:
    """The scores of the SIZE documents with the smallest uids, which are hashes: a fair draw.

    So it is the same whatever order they come in, a document that comes twice counts once, and the sample of
    two groups together is that of their samples. (A KLL sketch of the DataSketches library would be smaller,
    but draws its lots from the clock: no two tables of one corpus would be alike.) At most 1 MB.
    """

    def __init__(self) -> None:
        self._added, self._is_part = 0, False
        self._uids, self._scores = array("Q"), array("d")

    def add(self, uid: int, score: float) -> None:
        """A finite score."""
        self._added += 1
        self._uids.append(uid)
        self._scores.append(score)
        if len(self._uids) >= 2 * SIZE:
            self._shrink()

    def merged(self, others: Sequence[Sample]) -> Sample:
        """Of all of them together; they stay as they are."""
        made = Sample()
        for each in (self, *others):
            made._added += each._added
            made._is_part |= each._is_part
            made._uids += each._uids
            made._scores += each._scores
        made._shrink()
        return made

    @property
    def seen(self) -> int:
        """How many documents: each once while all are held, then as often as they came."""
        self._shrink()
        return self._added if self._is_part else len(self._uids)

    @property
    def uids(self) -> npt.NDArray[np.uint64]:
        """Ascending, each once."""
        self._shrink()
        return np.frombuffer(self._uids, np.uint64) if self._uids else np.empty(0, np.uint64)

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """In the order of the uids."""
        self._shrink()
        return np.frombuffer(self._scores, np.float64) if self._scores else np.empty(0)

    def _shrink(self) -> None:
        if not self._uids:
            return
        uids, first = np.unique(np.array(self._uids, np.uint64), return_index=True)
        scores = np.array(self._scores, np.float64)[first]
        self._is_part |= len(uids) > SIZE
        self._uids, self._scores = array("Q", uids[:SIZE].tolist()), array("d", scores[:SIZE].tolist())
