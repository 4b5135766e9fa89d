"""How many tokens are ready, how far a part lies among them, and of which phase the next ones are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from services.catalog.reader import Reader
from services.runtime import ObjectStore


class Supply:
    """Follows the catalog and adds it up. ready: tokens of all parts, without padding.

    Memory grows with the parts that wait: those before `consumed` are let go. A call of `follow` costs one
    request when nothing has come.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._reader = Reader(store)
        self._waiting: deque[tuple[str, str, int]] = deque()  # (name, phase, where it ends) in their order
        self._phase = ""  # of the last part that was let go, or that there is
        self.ready = 0
        self.consumed = 0

    @property
    def num_parts(self) -> int:
        """Parts that have a number."""
        return self._reader.next

    @property
    def phase(self) -> str:
        """The phase of the token at `consumed`; where there is none yet, that of the last; or empty."""
        return self._waiting[0][1] if self._waiting else self._phase

    def follow(self) -> bool:
        """Read what has come; whether anything has. Raises CorpusworksError, DependencyDown."""
        first = self._reader.next
        for entry in self._reader.read():
            self.ready += entry.tokens
            self._waiting.append((entry.name, entry.phase, self.ready))
        self._let_go()
        return self._reader.next > first

    def reach(self, parts: Iterable[str]) -> None:
        """The trainer reads these parts: the tokens of those before the last of them are behind it, and its.

        (Sequences of a block of parts come in mixed order: that is the block's width at the most too far.)
        """
        ends = {name: end for name, _, end in self._waiting}
        self.advance(max((ends[name] for name in parts if name in ends), default=0))

    def advance(self, consumed: int) -> None:
        """So many tokens, from the first part on, have been trained on; never fewer than before."""
        self.consumed = max(self.consumed, consumed)
        self._let_go()

    def _let_go(self) -> None:
        while self._waiting and self._waiting[0][2] <= self.consumed:
            self._phase = self._waiting.popleft()[1]
