"""The documents of a bucket for a simulation, in the order in which they are taken, first and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.mixer.phase import Terms

# Tokens of a document where nobody says better: about those of a web page's main text.
MEAN_LENGTH = 1000


class Supply(Protocol):
    """What there is of a bucket's documents."""

    @property
    def total(self) -> int:
        """Tokens of all of them, each once."""

    @property
    def unread(self) -> int:
        """Tokens of those that were not come to yet in the first reading."""

    def upcoming(self, room: int, terms: Terms) -> int | None:
        """Tokens of the next document that the terms want and of those after it that fit into `room` with it.

        None where there is none.
        """

    def take(self, room: int, terms: Terms) -> int:
        """Take them. There must be some."""


class Even:
    """Documents of one length, the last shorter where they do not come out even. Each meets every `where`."""

    def __init__(self, total: int, length: int = MEAN_LENGTH) -> None:
        if total < 0 or length < 1:
            raise ValueError("a supply has 0 tokens or more, in documents of 1 or more")
        self.total = total
        self._length = length
        self._left = total
        self._readings = 1

    @property
    def unread(self) -> int:
        """As Supply says."""
        return self._left if self._readings == 1 else 0

    def upcoming(self, room: int, terms: Terms) -> int | None:
        """As Supply says."""
        left = self._left
        if self._readings > 1 or not left:
            wanted = self._readings + (not left) <= terms.max_uses
            left = (left or self.total) if wanted else 0
        return min(left, max(1, room // self._length) * self._length) or None

    def take(self, room: int, terms: Terms) -> int:
        """As Supply says."""
        tokens = self.upcoming(room, terms) or 0
        if not self._left:
            self._left, self._readings = self.total, self._readings + 1
        self._left -= tokens
        return tokens


class Listed:
    """Documents of known lengths, (num_documents,) in tokens.

    meets: by `where`, which of them meet it, (num_documents,); of one that is not there all do.
    """

    def __init__(self, lengths: Sequence[int], meets: Mapping[str, Sequence[bool]] | None = None) -> None:
        self._lengths = np.asarray(lengths, np.int64)
        self._meets = {where: np.asarray(met, bool) for where, met in (meets or {}).items()}
        self._uses = np.zeros(len(self._lengths), np.int32)
        self._at = 0  # of the reading that goes on
        self._first = True
        self.total = int(self._lengths.sum())
        self._terms: Terms | None = None
        self._wanted = np.empty(0, np.int64)  # documents before the reading that these terms want
        self._ends = np.empty(0, np.int64)  # tokens of them up to each

    @property
    def unread(self) -> int:
        """As Supply says."""
        return int(self._lengths[self._at :].sum()) if self._first else 0

    def upcoming(self, room: int, terms: Terms) -> int | None:
        """As Supply says."""
        found = self._next(room, terms)
        return None if found is None else int(self._lengths[found].sum())

    def take(self, room: int, terms: Terms) -> int:
        """As Supply says."""
        found = self._next(room, terms)
        assert found is not None
        self._uses[found] += 1
        self._at = int(found[-1]) + 1
        self._wanted = self._wanted[len(found) :]
        self._ends = self._ends[len(found) :]
        return int(self._lengths[found].sum())

    def _next(self, room: int, terms: Terms) -> NDArray[np.int64] | None:
        """Indices of the documents of a step."""
        if terms != self._terms:
            self._look(terms)
        if not len(self._wanted):
            if not self._eligible(terms, 0).any():
                return None
            self._at, self._first = 0, False
            self._look(terms)
        before = int(self._ends[0]) - int(self._lengths[self._wanted[0]])
        fitting = int(np.searchsorted(self._ends, before + room, side="right"))
        return self._wanted[: max(1, fitting)]

    def _look(self, terms: Terms) -> None:
        self._terms = terms
        self._wanted = self._at + np.flatnonzero(self._eligible(terms, self._at))
        self._ends = np.cumsum(self._lengths[self._wanted])

    def _eligible(self, terms: Terms, start: int) -> NDArray[np.bool_]:
        fewer: NDArray[np.bool_] = self._uses[start:] < terms.max_uses
        met = self._meets.get(terms.where)
        return fewer if met is None else fewer & met[start:]
