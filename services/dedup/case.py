"""A document under judgement, and what has been found out about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts import Document
from services.dedup.cold import COLD, Trace
from services.dedup.entry import Entry, Near, Order
from services.dedup.met import Met
from services.dedup.namespaces import Home
from services.dedup.page import Page
from services.dedup.shingles import Words


@dataclass
class Case:
    """number: in the batch. text, exact, minima, bands: what is compared, see normal.py and sketch.py.

    bands, exact are those of its namespace, which is home. packed_bands: as dedup.log has them.
    entry: the one that stands; fresh: this is its first sight. holder: the best with exactly its text;
    beaten: it is another one.
    kin: those in its bands that are alike; cluster: to which it belongs, 0 for none; size: how many of it
        have stayed, this one included, 0 where it drops or is the first; merged: clusters that are others'
        from now on, whose, and how many are in that (0: not said); see clusters.py.
    met: in its bands; met_rarely: under its rare keys. near: those of them that matter, with their
        likeness. crowded: it met them in a crowd.
    cold: what it drops for in the cold tier; chance: that it does so and is like nothing there.
    above, below: its near-duplicates in other namespaces, of those to which it gives way and of the others.
    """

    number: int
    document: Document
    text: str
    exact: int
    minima: Words
    bands: Words
    packed_bands: bytes
    entry: Entry
    fresh: bool
    holder: Order = (0.0, 0, 0)
    beaten: bool = False
    linked: bool = False
    kin: Sequence[int] = ()
    cluster: int = 0
    merged: Sequence[tuple[int, int, int]] = ()
    size: int = 0
    met: Met = field(default_factory=Met)
    met_rarely: Met = field(default_factory=Met)
    near: Sequence[Near] = ()
    page: Page | None = None
    crowded: bool = False
    home: Home = field(default_factory=Home)
    above: Sequence[Near] = ()
    below: Sequence[Near] = ()
    cold: Trace | None = None
    chance: float = 0.0

    @property
    def better(self) -> Near | None:
        """The best of its better near-duplicates; those of another namespace count first."""
        if not (self.near or self.above):  # as most; asked several times
            return None
        found = [*self.above] or [
            near for near in self.near if near.duplicate and near.entry.order > self.entry.order
        ]
        return max(found, key=lambda near: near.entry.order, default=None)

    @property
    def worse(self) -> list[Near]:
        """Near-duplicates that it beats."""
        if not (self.near or self.below):
            return []
        own = [near for near in self.near if near.duplicate and near.entry.order < self.entry.order]
        return [*own, *self.below]

    @property
    def killer(self) -> int | None:
        """The document for which it drops, if it does; COLD for one that nobody knows."""
        if self.cold is not None:
            return COLD
        if self.beaten:
            return self.holder[2]
        return self.better.entry.uid if self.better else None
