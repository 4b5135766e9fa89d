"""A partition as it lies in files: batches of what counts, each found by its first offset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from kafka.errors import CorruptRecordError

from services.runtime.errors import ConfigurationError
from services.runtime.journal.batches import Record

_ENOUGH = 4 << 20  # bytes of one answer, about as much as of Kafka's


class PartitionLog(Protocol):
    """What a reader needs of a partition."""

    @property
    def start(self) -> int:
        """The offset where it begins."""

    @property
    def end(self) -> int:
        """The offset after all that was written."""

    @property
    def stable_end(self) -> int:
        """The offset after what is decided."""

    @property
    def num_bytes(self) -> int:
        """On the disk."""

    def read(self, position: int, room: int) -> tuple[Sequence[Record], int]:
        """At most so many of the records from there on, and where the reader stands then.

        What lies behind the last of them and is no record (markers) is passed with it.
        """


class Extent(NamedTuple):
    """A batch: its offsets [base, stop), and where it lies."""

    base: int
    stop: int
    file: int
    position: int
    num_bytes: int


class ExtentLog:
    """Of one partition. start, end: as whoever fills it says."""

    def __init__(self, name: str, fetch: Callable[[Extent], list[Record]]) -> None:
        """name: for what is said of it. fetch: the records of an extent; raises CorruptRecordError."""
        self._name = name
        self.start = 0
        self.end = self.stable_end = 0
        self._fetch = fetch
        self._extents: list[Extent] = []
        self._bases: list[int] = []
        self._read: tuple[int, list[Record]] = -1, []  # the one that was read last: by its first offset

    @property
    def num_bytes(self) -> int:
        """Of all its batches."""
        return sum(extent.num_bytes for extent in self._extents)

    def add(self, extent: Extent) -> None:
        """The next batch."""
        self._extents.append(extent)
        self._bases.append(extent.base)

    def read(self, position: int, room: int) -> tuple[list[Record], int]:
        """See PartitionLog. Raises ConfigurationError: a batch is damaged."""
        found: list[Record] = []
        at, size = max(0, bisect_right(self._bases, position) - 1), 0
        while at < len(self._extents) and position < self.stable_end:
            extent = self._extents[at]
            if len(found) >= room or size >= _ENOUGH:
                return found, position
            more = [r for r in self._records(extent) if position <= r.offset < self.stable_end]
            found += (taken := more[: room - len(found)])
            if len(taken) < len(more):
                return found, taken[-1].offset + 1
            at, size = at + 1, size + extent.num_bytes
            following = self._bases[at] if at < len(self._bases) else self.stable_end
            position = max(position, min(following, self.stable_end))
        return found, max(position, self.stable_end)

    def _records(self, extent: Extent) -> list[Record]:
        if self._read[0] != extent.base:
            try:
                self._read = extent.base, self._fetch(extent)
            except CorruptRecordError as error:
                raise ConfigurationError(f"{self._name}: {error}") from error
        return self._read[1]
