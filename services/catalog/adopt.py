"""Adoption: numbers that a store's segments give and shards.catalog lacks are to be announced anew.

And the other way: segments that shards.catalog announces and the store has lost are written there again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from contracts import PartCatalogued, PartSealed
from services.catalog.announce import Announcements
from services.catalog.entry import Entry, entry_in, entry_of
from services.catalog.segments import Segments, stored
from services.runtime import ConfigurationError, ObjectStore


def restore(store: ObjectStore, said: Sequence[PartCatalogued], parts: Sequence[PartSealed]) -> int:
    """Write the segments of `said` that are not in the store, or damaged there, as they were; how many.

    said: all of shards.catalog. parts: those of the store. Where any of them, or any segment, is another than
    was announced, the store is another river's, and nothing is written. Raises DependencyDown.
    """
    by_name, known = {part.name: part for part in parts}, [entry_in(one) for one in said]
    if [entry_of(at, by_name.get(one.name, PartSealed())) for at, one in enumerate(known)] != known:
        return 0
    segments, lost = Segments(store), list[list[Entry]]()
    for first, group in groupby(said, lambda one: one.segment):
        entries, found = [entry_in(one) for one in group], segments.readable(first)
        if found and found != entries:
            return 0
        lost += [] if found else [entries]
    for entries in lost:
        segments.write_again(entries)
    segments.mend_blocks(known)
    return len(lost)


def numbers(store: ObjectStore) -> list[PartCatalogued]:
    """What shards.catalog has to announce, in order. A request a segment. Raises CorpusworksError."""
    announcements = Announcements()
    return [said for entries in stored(store) for said in announcements.of(entries)]


def unannounced(numbers: list[PartCatalogued], last: PartCatalogued | None) -> list[PartCatalogued]:
    """Those after the last message of shards.catalog. Raises ConfigurationError: they do not go on there."""
    if last is None:
        return numbers
    if last.sequence >= len(numbers) or entry_in(numbers[last.sequence]) != entry_in(last):
        raise ConfigurationError(
            f"shards.catalog gives the number {last.sequence} to {last.name}, and the store does not: the "
            "numbers of two rivers cannot be joined. Set CORPUSWORKS_STORE_URL to the store of that topic, "
            "or delete the topic, make it anew (`corpusworks topics`) and adopt then"
        )
    return numbers[last.sequence + 1 :]
