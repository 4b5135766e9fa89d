"""The messages of shards.catalog; each says with its number how far every lane has come."""

from __future__ import annotations

from collections.abc import Sequence

from contracts import PartCatalogued
from services.catalog.entry import Entry, stream_and_end


class Announcements:
    """What was announced, as far as one has to know: the next number, and the last part of each stream.

    last: the last message of shards.catalog, or None at the beginning.
    """

    def __init__(self, last: PartCatalogued | None = None) -> None:
        self.next = 0 if last is None else last.sequence + 1
        self._reached = {} if last is None else dict(last.reached)

    def has(self, name: str) -> bool:
        """Whether this part has its number: the parts of a stream get them in their order."""
        stream, end = stream_and_end(name)
        return end <= self._reached.get(stream, -1)

    def of(self, entries: Sequence[Entry]) -> list[PartCatalogued]:
        """The messages of one segment, which is the next."""
        found = []
        for entry in entries:
            assert entry.sequence == self.next
            stream, end = stream_and_end(entry.name)
            self._reached[stream] = max(end, self._reached.get(stream, -1))
            self.next += 1
            found.append(
                PartCatalogued(
                    sequence=entry.sequence,
                    name=entry.name,
                    lane=entry.lane,
                    phase=entry.phase,
                    recipe=entry.recipe,
                    tokens=entry.tokens,
                    sha256=entry.sha256,
                    segment=entries[0].sequence,
                    reached=self._reached,
                )
            )
        return found
