"""The readings of a pool by a lane: how far each has come, and how often each document was used.

A use count needs no state a document: it follows from which readings have passed its offset, and on which
terms. What a reading put off is wanted, and is taken before it ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache

from contracts import Document, Pass, Stretch
from services.mixer.condition import Condition
from services.mixer.phase import Terms


@lru_cache(maxsize=256)
def _condition(expression: str) -> Condition:
    return Condition(expression)


def meets(where: str, document: Document) -> bool:
    """Whether a document is one of those that a phase asks for; one that cannot answer is not."""
    if not where:
        return True
    try:
        return _condition(where).holds(document)
    except LookupError:
        return False


class Reading:
    """One reading. offset: after the last document that was taken or passed over.

    deferred: offsets before it of documents that were put off.
    """

    def __init__(
        self,
        offset: int = 0,
        deferred: Iterable[int] = (),
        stretches: Sequence[tuple[int, Terms]] = (),
    ) -> None:
        self.offset = offset
        self.deferred = set(deferred)
        self._starts = [start for start, _ in stretches]
        self._terms = [terms for _, terms in stretches]

    @property
    def done(self) -> int:
        """Everything before it is taken or passed over."""
        return min(self.deferred, default=self.offset)

    @property
    def passes_over(self) -> bool:
        """It may have left documents that were never used."""
        return any(terms.where for terms in self._terms)

    def may_spare(self, number: int, terms: Terms) -> bool:
        """Whether, as the reading of this number (0: the first), it may have left what these terms want."""
        return any(
            former.where not in ("", terms.where) or former.max_uses <= min(number, terms.max_uses - 1)
            for former in self._terms
        )

    def is_ahead(self, offset: int) -> bool:
        """The document there is still to be taken or passed over."""
        return offset >= self.offset or offset in self.deferred

    def settle(self, offset: int, terms: Terms) -> None:
        """The document there was taken, or passed over, on these terms."""
        if offset in self.deferred:
            self.deferred.discard(offset)
        else:
            self._advance(offset, terms)

    def put_off(self, offset: int, terms: Terms) -> None:
        """Another one goes first, though these terms want it."""
        if offset not in self.deferred:
            self._advance(offset, terms)
            self.deferred.add(offset)

    def reach(self, offset: int) -> None:
        """There is no document before this offset that is still to be taken."""
        self.offset = max(self.offset, offset)

    def takes(self, offset: int, document: Document, uses: int) -> bool:
        """Whether it took the document there, which had so many uses before; False where it has not been."""
        at = bisect_right(self._starts, offset) - 1
        if at < 0 or self.is_ahead(offset):
            return False
        return uses < self._terms[at].max_uses and meets(self._terms[at].where, document)

    def _advance(self, offset: int, terms: Terms) -> None:
        if not self._terms or self._terms[-1] != terms:
            self._starts.append(self.offset)
            self._terms.append(terms)
        self.offset = offset + 1

    def state(self) -> Pass:
        """What `restored` needs."""
        stretches = [
            Stretch(start=start, where=terms.where, max_uses=terms.max_uses)
            for start, terms in zip(self._starts, self._terms, strict=True)
        ]
        return Pass(offset=self.offset, deferred=sorted(self.deferred), stretches=stretches)

    @classmethod
    def restored(cls, state: Pass) -> Reading:
        """Where it was."""
        stretches = [(one.start, Terms(one.where, one.max_uses)) for one in state.stretches]
        return cls(state.offset, state.deferred, stretches)


def uses(readings: Iterable[Reading], offset: int, document: Document) -> int:
    """How often the document at this offset of a pool was used, by these readings and before it lay there."""
    found = document.use
    for reading in readings:
        found += reading.takes(offset, document, found)
    return found
