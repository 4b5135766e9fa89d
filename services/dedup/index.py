"""The index: all that ever came in. Its steps, and the one that lives in memory."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from services.dedup.entry import Entry, Order
from services.dedup.met import BEST, FOUNDERS, Met, Others
from services.dedup.odd_sketch import OddSketch
from services.dedup.page import Page
from services.dedup.shingles import Words

Table = Literal["bands", "rare"]


class Death(NamedTuple):
    """Why a document is no survivor. went_on: it had passed before, so its killer retracts it."""

    killer: int
    went_on: bool


class Joined(NamedTuple):
    """The parent that stands, and whether this call gave it."""

    parent: int
    new: bool


class Seat(NamedTuple):
    """A document's place in a cluster. number: the how-manieth it is, 2 or more."""

    cluster: int
    number: int


class Growth(NamedTuple):
    """So many come to a cluster. founded: it has a founder, who counts though nobody was numbered there."""

    cluster: int
    founded: bool
    number: int


NEXT = (1 << 32) - 1  # in place of a number: that after the last one of the cluster


class Index(Protocol):
    """Each step but one is atomic for each document and may be repeated: a second call changes nothing.

    A document is put before it is linked, so whoever meets it in a band finds its entry; and of two
    documents that share a band the one that is linked second meets the first, whatever the order in
    time. All raise DependencyDown when the server does not answer.
    """

    def put(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """Store what is new; for what is known, the entry that stands."""

    def hold(self, keys: Sequence[int], orders: Sequence[Order]) -> list[Order]:
        """The best document so far with this exact text, the one in question included."""

    def link(self, orders: Sequence[Order], keys: Words, table: Table = "bands") -> list[Met]:
        """Enter each document under its keys (n, keys), of which 0 is none; whom it met there."""

    def meet(self, orders: Sequence[Order], keys: Words) -> list[Met]:
        """Whom each document would meet in the bands now; nothing is entered."""

    def fetch(self, uids: Collection[int]) -> dict[int, bytes]:
        """The packed entries of these documents, as far as they are there."""

    def open_pages(self, pages: Mapping[int, Page]) -> dict[int, Page]:
        """Store what is new; the page that stands of each of them."""

    def fetch_sketches(self, uids: Collection[int]) -> dict[int, OddSketch]:
        """The long sketches of these documents, as far as they have a page."""

    def bury(self, deaths: Sequence[tuple[int, Death]]) -> list[Death]:
        """The first death of each document stands, and is returned."""

    def deaths(self, uids: Collection[int]) -> dict[int, Death]:
        """The deaths of these documents, as far as they are buried."""

    def join(self, links: Sequence[tuple[int, int]]) -> list[Joined]:
        """Give each uid a parent. The first stands, and is returned."""

    def parents(self, uids: Collection[int]) -> dict[int, int]:
        """The parents of these documents, as far as they have one."""

    def number(self, members: Sequence[tuple[int, Seat]]) -> list[int]:
        """Number each uid in a cluster. The first number of a uid stands, and is returned.

        A number that is given is for a rebuild; NEXT goes on from the greatest of the cluster; 0 asks for
        what stands. The founder has 1, which is stored nowhere.
        """

    def counts(self, clusters: Collection[int]) -> dict[int, int]:
        """How many are in these clusters, as far as anyone was numbered there."""

    def add(self, growths: Sequence[Growth]) -> list[int]:
        """How many are in each cluster then. The one step that changes something when it is repeated."""

    def raise_counts(self, counts: Sequence[tuple[int, int]]) -> None:
        """In each cluster there are so many at least."""

    def close(self) -> None:
        """Let go of the server."""


@dataclass(slots=True)
class _Band:
    founders: list[int] = field(default_factory=list)
    best: list[Order] = field(default_factory=list)  # the best last
    later: int = 0

    def enter(self, order: Order) -> None:
        uid = order[2]
        if uid in self.founders or order in self.best:
            return
        if len(self.founders) < FOUNDERS:
            self.founders.append(uid)
            return
        self.later += 1
        bisect.insort(self.best, order)
        del self.best[:-BEST]


class MemoryIndex:
    """The same steps in dictionaries, for one process."""

    def __init__(self) -> None:
        self._entries: dict[int, bytes] = {}
        self._holders: dict[int, Order] = {}
        self._bands: dict[tuple[Table, int], _Band] = {}
        self._pages: dict[int, Page] = {}
        self._deaths: dict[int, Death] = {}
        self._parents: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._last: dict[int, int] = {}  # by cluster, its greatest number

    def put(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """As Index."""
        known = []
        for entry in entries:
            value = self._entries.get(entry.uid)
            known.append(None if value is None else Entry.unpack(entry.uid, value))
            self._entries.setdefault(entry.uid, entry.pack())
        return known

    def hold(self, keys: Sequence[int], orders: Sequence[Order]) -> list[Order]:
        """As Index."""
        best = []
        for key, order in zip(keys, orders, strict=True):
            self._holders[key] = max(order, self._holders.get(key, order))
            best.append(self._holders[key])
        return best

    def link(self, orders: Sequence[Order], keys: Words, table: Table = "bands") -> list[Met]:
        """As Index."""
        return [
            self._enter(order, [(table, key) for key in row if key])
            for order, row in zip(orders, keys.tolist(), strict=True)
        ]

    def meet(self, orders: Sequence[Order], keys: Words) -> list[Met]:
        """As Index."""
        return [
            Met([others for key in row if (others := self._others(order, ("bands", key))).kept])
            for order, row in zip(orders, keys.tolist(), strict=True)
        ]

    def _enter(self, order: Order, names: Sequence[tuple[Table, int]]) -> Met:
        found = []
        for name in names:
            if (others := self._others(order, name)).kept:
                found.append(others)
            self._bands.setdefault(name, _Band()).enter(order)
        return Met(found)

    def _others(self, order: Order, name: tuple[Table, int]) -> Others:
        band = self._bands.get(name, _Band())
        kept = {*band.founders, *(each[2] for each in band.best)} - {order[2]}
        late = len(band.founders) == FOUNDERS and order[2] not in band.founders
        return Others(kept, band.later - len(band.best), name[1] if late else 0)

    def fetch(self, uids: Collection[int]) -> dict[int, bytes]:
        """As Index."""
        return {uid: self._entries[uid] for uid in uids if uid in self._entries}

    def open_pages(self, pages: Mapping[int, Page]) -> dict[int, Page]:
        """As Index."""
        return {uid: self._pages.setdefault(uid, page) for uid, page in pages.items()}

    def fetch_sketches(self, uids: Collection[int]) -> dict[int, OddSketch]:
        """As Index."""
        return {uid: self._pages[uid].sketch for uid in uids if uid in self._pages}

    def bury(self, deaths: Sequence[tuple[int, Death]]) -> list[Death]:
        """As Index."""
        return [self._deaths.setdefault(uid, death) for uid, death in deaths]

    def deaths(self, uids: Collection[int]) -> dict[int, Death]:
        """As Index."""
        return {uid: self._deaths[uid] for uid in uids if uid in self._deaths}

    def join(self, links: Sequence[tuple[int, int]]) -> list[Joined]:
        """As Index."""
        joined = []
        for uid, parent in links:
            new = uid not in self._parents
            joined.append(Joined(self._parents.setdefault(uid, parent), new))
        return joined

    def parents(self, uids: Collection[int]) -> dict[int, int]:
        """As Index."""
        return {uid: self._parents[uid] for uid in uids if uid in self._parents}

    def number(self, members: Sequence[tuple[int, Seat]]) -> list[int]:
        """As Index."""
        for uid, (cluster, number) in members:
            if uid not in self._numbers and number:
                last = self._last.get(cluster, 1)
                self._numbers[uid] = last + 1 if number == NEXT else number
                self._last[cluster] = max(last, self._numbers[uid])
        return [self._numbers.get(uid, 0) for uid, _ in members]

    def counts(self, clusters: Collection[int]) -> dict[int, int]:
        """As Index."""
        return {cluster: self._last[cluster] for cluster in clusters if cluster in self._last}

    def add(self, growths: Sequence[Growth]) -> list[int]:
        """As Index."""
        counts = []
        for cluster, founded, number in growths:
            self._last[cluster] = self._last.get(cluster, int(founded)) + number
            counts.append(self._last[cluster])
        return counts

    def raise_counts(self, counts: Sequence[tuple[int, int]]) -> None:
        """As Index."""
        for cluster, number in counts:
            self._last[cluster] = max(self._last.get(cluster, 1), number)

    def close(self) -> None:
        """Nothing to let go of."""
