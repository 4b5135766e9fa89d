"""Why a document stays or drops: whom it meets in the index now, how alike they are, what follows.

Nothing is written. In a crowd further ones may have been met by rare keys (page.py), which are not looked up
again; the one for which a document dropped is always among those that are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from contracts import Document
from services.dedup.abroad import alike_there
from services.dedup.cold import Trace
from services.dedup.cold_index import RedisCold
from services.dedup.config import DedupConfig
from services.dedup.entry import Entry, Order, compare, make_entry
from services.dedup.index import Death, Index
from services.dedup.lineage import living
from services.dedup.namespaces import Home, Namespaces, turned
from services.dedup.normal import compared
from services.dedup.redis_index import RedisIndex
from services.dedup.shingles import SHINGLE, Words
from services.dedup.signed import fault, signed
from services.runtime import ConfigurationError, Resources, Settings, state


@dataclass(frozen=True)
class Candidate:
    """Another document. likeness: as estimated; threshold: of the pair. bands: under so many they met.

    better: the one in question gives way to it, where they are near. namespace: of the other, where it is
    another one.
    """

    uid: int
    order: Order
    likeness: float
    threshold: float
    bands: int
    death: Death | None
    better: bool
    namespace: str = ""

    @property
    def near(self) -> bool:
        """Whether the two are near-duplicates."""
        return self.likeness >= self.threshold


@dataclass(frozen=True)
class Explained:
    """order, threshold: of the document, as the index has them; known: it has them.

    death: for whom it stands back; lives: who lives in its place, itself where it does.
    crowd: others that its bands no longer keep. candidates: the likest first. reference: its namespace, where
    that is one of documents that are there to be compared with, and "" elsewhere.
    cold: what the cold tier knows of its keys; it has all of a document that has gone there itself.
    """

    uid: int
    known: bool
    order: Order
    threshold: float
    death: Death | None
    lives: int
    crowd: int
    candidates: list[Candidate]
    reference: str = ""
    cold: Trace | None = None


def explain_in(settings: Settings, config: DedupConfig, document: Document) -> Explained:
    """By the index in Redis. Raises ConfigurationError where there is none, DependencyDown."""
    resources = Resources(settings)
    try:
        made = state.standing(resources, config).made[0]
        server = state.Server(resources.redis, config)
        index = RedisIndex(server, config, lambda: made or b"none")
        return explain(index, config, document, RedisCold(index, server, config))
    finally:
        resources.close()


def explain(
    index: Index, config: DedupConfig, document: Document, cold: RedisCold | None = None
) -> Explained:
    """Of a document with its text. Raises ConfigurationError: it brings no such signature; DependencyDown."""
    text = compared(document, fold_script=config.fold_script).text
    if (wrong := fault(document, config)) is not None:
        raise ConfigurationError(wrong)
    made = signed([document], [text], config)
    threshold = config.threshold_of(document.category)
    here = make_entry(document, threshold, made.bits[0].tobytes(), made.fine[0].tobytes())
    stored = index.fetch({document.uid}).get(document.uid)
    entry = here if stored is None else Entry.unpack(document.uid, stored)
    home = Namespaces(config.namespaces).home(document)
    (met,) = index.meet([entry.order], home.keys(made.bands))
    death = index.deaths({entry.uid}).get(entry.uid)
    times = Counter(uid for each in met.keys for uid in each.kept)
    found = list(_abroad(index, entry, home, made.bands))
    asked = {*met.uids, *([death.killer] if death else [])} - {entry.uid, *(each.uid for each in found)}
    others = index.fetch(asked)
    deaths = index.deaths(set(others))
    if others:
        likeness = compare(entry, others)
        for (uid, packed), alike, bound in zip(
            likeness.others, likeness.similarity.tolist(), likeness.threshold.tolist(), strict=True
        ):
            order = Entry.unpack(uid, packed).order
            better = order > entry.order
            found.append(Candidate(uid, order, alike, bound, times[uid], deaths.get(uid), better))
    found.sort(key=lambda each: (-each.likeness, each.uid))
    lives = living(index, [entry.uid])[entry.uid]
    return Explained(
        entry.uid,
        stored is not None,
        entry.order,
        entry.threshold / 200,
        death,
        lives,
        met.missed,
        found,
        home.name if home.reference else "",
        cold.look(home.keys(made.bands), [entry.threshold / 200], filters)[0]
        if cold and (filters := cold.filters())
        else None,
    )


def _abroad(index: Index, entry: Entry, home: Home, bands: Words) -> Iterator[Candidate]:
    """Whom it meets in the namespaces that matter to it."""
    for there in home.abroad:
        (met,) = index.meet([entry.order], turned(bands, there.salt))
        times = Counter(uid for each in met.keys for uid in each.kept)
        near = alike_there(entry, there, met.uids, index.fetch(met.uids))
        deaths = index.deaths({each.entry.uid for each in near})
        for each in near:
            uid, bound = each.entry.uid, each.threshold + each.margin
            death = deaths.get(uid)
            yield Candidate(
                uid, each.entry.order, each.similarity, bound, times[uid], death, there.above, there.name
            )


def shared(one: str, other: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether a shingle that both have covers each."""
    known = {other[at : at + SHINGLE] for at in range(max(1, len(other) - SHINGLE + 1))}
    covered = np.zeros(len(one) + 1, bool)
    for at in range(max(1, len(one) - SHINGLE + 1)):
        if one[at : at + SHINGLE] in known:
            covered[at : at + SHINGLE] = True
    bounds = [0, *(np.flatnonzero(covered[1:-1] != covered[:-2]) + 1).tolist(), len(one)]
    for begin, end in pairwise(bounds):
        if begin < end:
            yield one[begin:end], bool(covered[begin])


def jaccard(one: str, other: str) -> float:
    """Exactly, of two texts as they are compared."""
    sides = [
        {text[at : at + SHINGLE] for at in range(max(1, len(text) - SHINGLE + 1))} for text in (one, other)
    ]
    return len(sides[0] & sides[1]) / len(sides[0] | sides[1])
