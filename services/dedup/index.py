"""The index: all that ever came in. Its steps, and the one that lives in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.dedup.entry import Entry, Order


class Index(Protocol):
    """Each step is atomic for each document and may be repeated: a second call changes nothing.

    A document is put before it is linked, so whoever meets it in a band finds its entry; and of two
    documents that share a band the one that is linked second meets the first, whatever the order in
    time. All raise DependencyDown when the server does not answer.
    """

    def put(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """Store what is new; for what is known, the entry that stands."""

    def hold(self, keys: Sequence[int], orders: Sequence[Order]) -> list[Order]:
        """The best document so far with this exact text, the one in question included."""

    def link(self, uids: Sequence[int], bands: npt.NDArray[np.uint32]) -> list[set[int]]:
        """Enter each document into its bands (n, bands); the others that are in one of them."""

    def fetch(self, uids: Collection[int]) -> dict[int, Entry]:
        """The entries of these documents, as far as they are there."""

    def bury(self, deaths: Sequence[tuple[int, int]]) -> list[int]:
        """(document, killer) in: the first killer of each document stands, and is returned."""

    def close(self) -> None:
        """Let go of the server."""


class MemoryIndex:
    """The same steps in dictionaries, for one process."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._holders: dict[int, Order] = {}
        self._bands: dict[int, list[int]] = {}
        self._killers: dict[int, int] = {}

    def put(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """As Index."""
        known = []
        for entry in entries:
            known.append(self._entries.get(entry.uid))
            self._entries.setdefault(entry.uid, entry)
        return known

    def hold(self, keys: Sequence[int], orders: Sequence[Order]) -> list[Order]:
        """As Index."""
        best = []
        for key, order in zip(keys, orders, strict=True):
            self._holders[key] = max(order, self._holders.get(key, order))
            best.append(self._holders[key])
        return best

    def link(self, uids: Sequence[int], bands: npt.NDArray[np.uint32]) -> list[set[int]]:
        """As Index."""
        met = []
        for uid, keys in zip(uids, bands.tolist(), strict=True):
            others: set[int] = set()
            for key in keys:
                members = self._bands.setdefault(key, [])
                others.update(members)
                if uid not in members:
                    members.append(uid)
            met.append(others - {uid})
        return met

    def fetch(self, uids: Collection[int]) -> dict[int, Entry]:
        """As Index."""
        return {uid: self._entries[uid] for uid in uids if uid in self._entries}

    def bury(self, deaths: Sequence[tuple[int, int]]) -> list[int]:
        """As Index."""
        return [self._killers.setdefault(uid, killer) for uid, killer in deaths]

    def close(self) -> None:
        """Nothing to let go of."""
