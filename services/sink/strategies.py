"""The strategies of packing by name, and what they may know of the documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.sink.gist import gists
from services.sink.packing import Integers, Layout, best_fit, checked, concat
from services.sink.related import bundled, related


@dataclass(frozen=True)
class Window:
    """The documents of a part, in the order of the lane.

    tokens: of each document. threads: the conversation or customer that it belongs to, "" for none.
    copies: alike for documents that should not be read together: uses of one, or near-duplicates.
    Either is empty or as long as tokens.
    """

    tokens: Sequence[NDArray[Any]]
    threads: Sequence[str] = ()
    copies: Sequence[int] = ()

    @property
    def lengths(self) -> Integers:
        """In tokens."""
        return np.array([len(tokens) for tokens in self.tokens], np.int64)


def _related(window: Window, sequence_length: int) -> Layout:
    lengths = checked(window.lengths, sequence_length)
    bundles = bundled(lengths % sequence_length, window.threads, sequence_length)
    return related(lengths, bundles, gists(window.tokens, bundles), window.copies, sequence_length)


STRATEGIES: dict[str, Callable[[Window, int], Layout]] = {
    "best_fit": lambda window, sequence_length: best_fit(window.lengths, sequence_length),
    "concat": lambda window, sequence_length: concat(window.lengths, sequence_length),
    "related": _related,
}

# Their sequences are always in an order by the part's name, so adjacent ones are no more alike than any two.
SHUFFLED = frozenset({"related"})
