"""The documents of a bucket for a simulation: only their lengths, in the order in which they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

# Tokens of a document where nobody says better: about those of a web page's main text.
MEAN_LENGTH = 1000


class Supply(Protocol):
    """What is left of a bucket's documents."""

    @property
    def total(self) -> int:
        """Tokens of all of them, the taken ones included."""

    def upcoming(self, room: int) -> int | None:
        """Tokens of the next document and of those after it that fit into `room` with it; None at the end."""

    def take(self, room: int) -> int:
        """Take them. There must be some."""


class Even:
    """Documents of one length, the last shorter where they do not come out even."""

    def __init__(self, total: int, length: int = MEAN_LENGTH) -> None:
        if total < 0 or length < 1:
            raise ValueError("a supply has 0 tokens or more, in documents of 1 or more")
        self.total = total
        self._length = length
        self._left = total

    def upcoming(self, room: int) -> int | None:
        """As Supply says."""
        return min(self._left, max(1, room // self._length) * self._length) or None

    def take(self, room: int) -> int:
        """As Supply says."""
        tokens = self.upcoming(room) or 0
        self._left -= tokens
        return tokens


class Listed:
    """Documents of known lengths, (num_documents,) in tokens."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._ends = np.cumsum(np.asarray(lengths, np.int64))
        self._documents = self._taken = 0
        self.total = int(self._ends[-1]) if len(self._ends) else 0

    def upcoming(self, room: int) -> int | None:
        """As Supply says."""
        if self._documents == len(self._ends):
            return None
        return int(self._ends[self._after(room) - 1]) - self._taken

    def take(self, room: int) -> int:
        """As Supply says."""
        self._documents = self._after(room)
        before, self._taken = self._taken, int(self._ends[self._documents - 1])
        return self._taken - before

    def _after(self, room: int) -> int:
        fitting = int(np.searchsorted(self._ends, self._taken + room, side="right"))
        return max(self._documents + 1, fitting)
