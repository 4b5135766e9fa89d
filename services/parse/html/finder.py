"""Which groups of words a text speaks of, found in one walk over it (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ahocorasick


class Finder:
    """One bit for each group of words."""

    def __init__(self, groups: Sequence[Iterable[str]]) -> None:
        """Words are found wherever they stand, in other words too."""
        masks: dict[str, int] = {}
        for bit, words in enumerate(groups):
            for word in words:
                masks[word] = masks.get(word, 0) | 1 << bit
        self._automaton: Any = ahocorasick.Automaton()
        for word, mask in masks.items():
            self._automaton.add_word(word, mask)
        self._automaton.make_automaton()

    def mask(self, text: str) -> int:
        """The bits of the groups of which at least one word is in the text."""
        found = 0
        for _, mask in self._automaton.iter(text):
            found |= mask
        return found
