"""Adoption: numbers that a store's segments give and shards.catalog lacks are to be announced anew."""

from __future__ import annotations

from contracts import PartCatalogued
from services.catalog.announce import Announcements
from services.catalog.entry import entry_in
from services.catalog.segments import stored
from services.runtime import ConfigurationError, ObjectStore


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
