"""The catalog's fold: gives each announced part of any lane the next number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from contracts import PartCatalogued, PartSealed
from services.catalog.announce import Announcements
from services.catalog.entry import Entry, entry_of, is_part_name
from services.catalog.segments import BLOCK, WAYS_OUT, Segments
from services.runtime import (
    ConfigurationError,
    LaneService,
    Message,
    ObjectStore,
    Output,
    Resources,
    Step,
    place,
    topics,
)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class CatalogConfig:
    """Nothing can be set: who reads the catalog leans on its layout."""


class Catalog:
    """One fold over shards.sealed of all lanes; parts of one lane keep their order, lanes as they come.

    The next number and how far each lane has come stand in the last message of shards.catalog, in one
    transaction with the offsets. A part that is read again has its number, whatever the offsets say: by its
    stream and offsets, or because its announcement says so (`parts adopt`).

    A segment is created before the transaction and is final from then on (services/catalog/segments.py). If
    the transaction fails, or somebody else was faster, the segment that stands is announced as it is, so that
    no number ever means two parts.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._segments = Segments(store)
        self._announcements = Announcements()
        self._waiting: list[Message] = []
        self._found: list[Entry] = []  # a segment that stands and is not announced

    def restore(self, log: Sequence[Message]) -> None:
        """log: the last message of shards.catalog. Raises ConfigurationError, DependencyDown."""
        last = log[-1].value if log else None
        assert last is None or isinstance(last, PartCatalogued)
        self._announcements = Announcements(last)
        self._found = self._segments.take_up(last)

    def wants(self) -> Collection[str]:
        """More parts, unless a block of them waits; all, while those of a segment are not found."""
        return (topics.SEALED,) if self._found or len(self._waiting) < BLOCK else ()

    def feed(self, messages: Sequence[Message]) -> None:
        """Parts of one lane, in its order."""
        for message in messages:
            if isinstance(message.value, PartSealed) and not is_part_name(message.value.name):
                logger.error("what is announced is no part", lane=message.partition, offset=message.offset)
        self._waiting += messages

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Number what waits, up to the edge of a block. Raises ConfigurationError, DependencyDown."""
        entries = self._found
        if not entries:
            if not self._waiting:
                return None
            if drafted := self._draft():
                entries = self._segments.create(drafted)
        by_name = self._by_name()
        missing = [entry for entry in entries if entry.name not in by_name]
        if missing:
            self._found = entries
            self._refuse_unknown(missing, drained)
            return None
        self._found = []
        return self._announce(entries, [by_name[entry.name] for entry in entries])

    def _draft(self) -> list[Entry]:
        first = self._announcements.next
        room = BLOCK - first % BLOCK
        parts = [m.value for m in self._by_name().values() if isinstance(m.value, PartSealed)]
        return [entry_of(first + at, part) for at, part in enumerate(parts[:room])]

    def _by_name(self) -> dict[str, Message]:
        """What waits and has no number, in the order in which it came; the first of each name."""
        found: dict[str, Message] = {}
        for message in self._waiting:
            if isinstance(message.value, PartSealed) and self._is_new(message.value):
                found.setdefault(message.value.name, message)
        return found

    def _is_new(self, part: PartSealed) -> bool:
        return is_part_name(part.name) and not (part.numbered or self._announcements.has(part.name))

    def _announce(self, entries: Sequence[Entry], messages: Sequence[Message]) -> Step:
        """The entries, with what was read up to them; none: all that waits, which has its numbers."""
        consumed: dict[str, int] = {}
        for message in messages or self._waiting:
            at = place(message.topic, message.partition)
            consumed[at] = max(message.offset + 1, consumed.get(at, 0))
        for entry, message in zip(entries, messages, strict=True):
            assert isinstance(message.value, PartSealed)
            if entry_of(entry.sequence, message.value) != entry:
                raise ConfigurationError(
                    f"{self._store.url} gives the number {entry.sequence} to another {entry.name} than "
                    f"shards.sealed announces: it is another river's store. {WAYS_OUT}"
                )
        left = [m for m in self._waiting if m.offset >= consumed.get(place(m.topic, m.partition), 0)]
        self._refuse_passed_over([*left, *messages])
        said = self._announcements.of(entries)
        self._waiting = left
        end = self._announcements.next
        at_edge = bool(entries) and end % BLOCK == 0
        return Step(
            outputs=[Output(topics.CATALOG, one) for one in said],
            consumed=consumed,
            committed=partial(self._segments.roll, end) if at_edge else None,
        )

    def _refuse_passed_over(self, kept: Sequence[Message]) -> None:
        ids = {id(message) for message in kept}
        names = {m.value.name for m in kept if isinstance(m.value, PartSealed)}
        for message in self._waiting:
            part = message.value
            if id(message) in ids or not isinstance(part, PartSealed):
                continue
            if part.name not in names and self._is_new(part):
                raise ConfigurationError(
                    f"{self._store.url} gives numbers to parts behind {part.name} and none to it: it is "
                    f"another river's store. {WAYS_OUT}"
                )

    def _refuse_unknown(self, missing: Sequence[Entry], drained: Collection[str]) -> None:
        gone = [entry for entry in missing if place(topics.SEALED, entry.lane) in drained]
        if gone:
            raise ConfigurationError(
                f"{self._store.url} gives the number {gone[0].sequence} to {gone[0].name}, which "
                f"shards.sealed does not announce: the log was lost, cut, or is another river's. {WAYS_OUT}"
            )


def _build(config: CatalogConfig, resources: Resources, lane: int) -> Catalog:
    return Catalog(resources.store)


SERVICE = LaneService(
    name="catalog", config=CatalogConfig, build=_build, tails=(topics.CATALOG,), gathers=True
)
