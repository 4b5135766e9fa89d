"""Reading the catalog from the store, without Kafka.

reader = Reader(store, first=1000)
for entry in reader.read():      # all there are now, from number 1000 on
    …
for entry in reader.read():      # later: what has come since; one request if nothing has
    …
"""

from __future__ import annotations

from collections.abc import Iterator

from services.catalog.entry import Entry
from services.catalog.segments import BLOCK, load
from services.runtime import ObjectStore

__all__ = ["Entry", "Reader"]


class Reader:
    """Goes through the entries in the order of their numbers, each once, without gap.

    What it has given stays so: numbers are never given again, and a segment that can be read is final.
    first: a number; to find the segment that has it takes 256 requests at the most.
    """

    def __init__(self, store: ObjectStore, first: int = 0) -> None:
        if first < 0:
            raise ValueError("numbers begin at 0")
        self._store = store
        self._next = first
        self._segment = first - first % BLOCK  # no segment goes over the edge of a block

    @property
    def next(self) -> int:
        """The number of the next entry: what a reader keeps to go on there after a restart."""
        return self._next

    def read(self) -> Iterator[Entry]:
        """The entries from `next` on that are there now; call it again for more. May be left early.

        Raises CorpusworksError for a damaged segment, DependencyDown.
        """
        while entries := load(self._store, self._segment):
            for entry in entries:
                if entry.sequence >= self._next:
                    self._next = entry.sequence + 1
                    yield entry
            self._segment = entries[-1].sequence + 1
