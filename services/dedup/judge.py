"""The judgement: a document survives if and only if no better near-duplicate of it ever came in.

Better is the greater score (entry.standing); of equals the earlier import, so that a copy of what is
in the corpus is never taken for an improvement; within one import the greater uid. Each document is
entered first and looks round after, so of two near-duplicates at least one meets the other, on any
number of replicas; whichever does settles the pair: the worse one drops if it is at hand, and is
buried and retracted if it went on before. Dropped documents stay in the index and go on dropping their
worse neighbours, so the outcome is a property of the set of documents and not of their order.

A retraction must outlive a crash between the write to the index and the commit in Kafka: the index
remembers who buried whom (the first stands), and a killer that is judged again repeats its
retractions. Whether a known document is judged again or came a second time is told by where it was
read, and by the offset up to which the runtime has committed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contracts import Document, Retraction
from services.dedup import log
from services.dedup.config import DedupConfig
from services.dedup.entry import Entry, Near, Order, compare, make_entry, position_token
from services.dedup.index import Index
from services.dedup.marks import Marks, Place
from services.dedup.sketch import Sketches, sketch
from services.runtime import Also, Drop, Emit, Reject, Verdict, topics

DROP_REASONS = frozenset({"already_seen", "exact_duplicate", "near_duplicate"})
_WORD = 1 << 64
_SPREAD = 0x9E3779B97F4A7C15  # odd: the exact keys of one text under different thresholds differ


@dataclass(frozen=True, slots=True)
class _Case:
    """A document under judgement."""

    number: int  # in the batch
    document: Document
    entry: Entry  # the one that stands
    fresh: bool  # this is its first sight
    exact: int = 0  # key of its text, under its threshold
    bands: bytes = b""  # those that it is entered into
    holder: Order = (0.0, 0, 0)  # the best with exactly its text, once asked for

    @property
    def beaten(self) -> bool:
        return self.holder > self.entry.order


class Deduplicator:
    """The judge of the unit: at most some seven calls to the index for a batch of any size.

    Over a shared index documents need their positions: without one, a document that comes again
    after an interruption cannot be told from a copy, and drops as already_seen.
    """

    def __init__(self, index: Index, marks: Marks, config: DedupConfig) -> None:
        self._index = index
        self._marks = marks
        self._config = config

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """One verdict for each document. Raises DependencyDown."""
        verdicts: dict[int, Verdict] = {}
        for number, document in enumerate(documents):
            if (fault := _fault(document)) is not None:
                verdicts[number] = Reject(fault)
        sound = [number for number in range(len(documents)) if number not in verdicts]
        if sound:
            self._judge(sound, documents, verdicts)
        return [verdicts[number] for number in range(len(documents))]

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """See Marks: before the first judgement. Raises ConfigurationError when the index has forgotten."""
        self._marks.begin(offsets)

    def reached(self, offsets: Mapping[Place, int]) -> None:
        """Everything below these offsets has been judged and may be committed: returns when that is on disk.

        To be called before each commit, with its offsets. Raises DependencyDown.
        """
        self._marks.reached(offsets)
        self._marks.sync()

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """Everything below these offsets is committed in Kafka and must not be judged again.

        To be called after each commit, and with the group's offsets when partitions are assigned.
        Raises DependencyDown.
        """
        self._marks.commit(offsets)

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()
        self._marks.close()

    def _judge(
        self, sound: Sequence[int], documents: Sequence[Document], verdicts: dict[int, Verdict]
    ) -> None:
        texts = [documents[number].text for number in sound]
        sketches = sketch(texts, self._config.bands, self._config.rows)
        cases = self._first_sight(sound, documents, sketches, verdicts)
        row = {number: i for i, number in enumerate(sound)}
        cases = self._exact(cases, sketches, row, verdicts)
        uids = [case.entry.uid for case in cases]
        met = self._index.link(uids, sketches.bands[[row[case.number] for case in cases]]) if cases else []
        entries = self._index.fetch(set().union(*met)) if any(met) else {}
        seen = [
            compare(case.entry, [entries[uid] for uid in sorted(uids) if uid in entries])
            for case, uids in zip(cases, met, strict=True)
        ]
        self._settle(cases, seen, verdicts)

    def _first_sight(
        self,
        sound: Sequence[int],
        documents: Sequence[Document],
        sketches: Sketches,
        verdicts: dict[int, Verdict],
    ) -> list[_Case]:
        """Enter the documents; those that came before, and are done with, drop here."""
        given = [
            make_entry(
                documents[number],
                self._config.threshold_of(documents[number].category),
                sketches.bits[i].tobytes(),
            )
            for i, number in enumerate(sound)
        ]
        known = self._index.put(given)
        cases = []
        for number, new, old in zip(sound, given, known, strict=True):
            if old is not None and not self._again(documents[number], old):
                verdicts[number] = Drop("already_seen", detail=f"uid {old.uid:016x} came in before")
            else:
                entry = old or new
                exact = (int(sketches.exact[sound.index(number)]) + entry.threshold * _SPREAD) % _WORD
                cases.append(_Case(number, documents[number], entry, old is None, exact))
        return cases

    def _again(self, document: Document, entry: Entry) -> bool:
        """Whether a known document is the same message, not yet committed: it must be judged again."""
        token = position_token(document)
        if token != entry.position or not any(token):
            return False
        place = document.position
        return place.offset >= self._marks.committed_offset((place.topic_id, place.partition))

    def _exact(
        self,
        cases: Sequence[_Case],
        sketches: Sketches,
        row: Mapping[int, int],
        verdicts: dict[int, Verdict],
    ) -> list[_Case]:
        """Drop the worse of equal texts without entering them into the bands.

        The holder of a key has the same text and threshold and is better, so whatever such a document
        would drop, the holder does. A document that is judged again goes the whole way: it may have
        buried others before it was interrupted.
        """
        if not cases:
            return []
        best = self._index.hold([case.exact for case in cases], [case.entry.order for case in cases])
        rest = []
        for case, holder in zip(cases, best, strict=True):
            held = replace(case, holder=holder)
            if held.fresh and held.beaten:
                verdicts[held.number] = _exact_duplicate(holder, (_sighting(held),))
            else:
                bands = sketches.bands[row[case.number]].astype("<u8").view(np.uint8).reshape(-1, 8)[:, :6]
                rest.append(replace(held, bands=bands.tobytes()))
        return rest

    def _settle(
        self, cases: Sequence[_Case], seen: Sequence[Sequence[Near]], verdicts: dict[int, Verdict]
    ) -> None:
        """Bury what must not survive, then say so.

        A document that drops is buried by itself, and first: what never went on needs no retraction.
        """
        own, others = [], []
        for case, neighbours in zip(cases, seen, strict=True):
            uid = case.entry.uid
            duplicates = [near.entry for near in neighbours if near.duplicate]
            others += [(entry.uid, uid) for entry in duplicates if entry.order < case.entry.order]
            if case.beaten or any(entry.order > case.entry.order for entry in duplicates):
                own.append((uid, uid))
        pairs = own + others
        deaths = dict(zip(pairs, self._index.bury(pairs), strict=True)) if pairs else {}
        for case, neighbours in zip(cases, seen, strict=True):
            verdicts[case.number] = _verdict(case, neighbours, deaths)


def _fault(document: Document) -> str | None:
    if not document.uid:
        return "the document has no uid: it must come through ingest, which sets it"
    if not math.isfinite(document.score):
        return f"score {document.score} is no number: look at the scorer that set it"
    if not 0.0 <= document.rank <= 1.0 or math.isnan(document.rank):
        return f"rank {document.rank} is not between 0 and 1: look at the scorer that set it"
    return None


def _exact_duplicate(holder: Order, also: tuple[Also, ...] = ()) -> Drop:
    rank, _, uid = holder
    detail = f"the same text as uid {uid:016x}, which is better (standing {rank:.3g})"
    return Drop("exact_duplicate", 1.0, 1.0, detail, also)


def _sighting(case: _Case) -> Also:
    return log.sighting(case.entry.uid, case.entry.pack(), case.exact, case.bands)


def _retraction(retraction: Retraction) -> Also:
    key = retraction.uid.to_bytes(8, "big")
    return Also(topics.SUPERSEDED, retraction, key, retraction.uid)


def _verdict(case: _Case, neighbours: Sequence[Near], deaths: Mapping[tuple[int, int], int]) -> Verdict:
    uid = case.entry.uid
    duplicates = [near for near in neighbours if near.duplicate]
    also = [_sighting(case)]
    if deaths.get((uid, uid)) == uid:
        also.append(log.death(uid, uid, retracted=False))
    for near in duplicates:
        if deaths.get((near.entry.uid, uid)) == uid:
            said = Retraction(uid=near.entry.uid, superseded_by=uid, similarity=near.similarity)
            also += [log.death(near.entry.uid, uid, retracted=True), _retraction(said)]
    retractions = tuple(also)
    if case.beaten:
        return _exact_duplicate(case.holder, retractions)
    better = [near for near in duplicates if near.entry.order > case.entry.order]
    if not better:
        if neighbours:
            case.document.features["dedup_similarity"] = max(near.similarity for near in neighbours)
        return Emit(case.document, retractions)
    best = max(better, key=lambda near: near.entry.order)
    detail = (
        f"like uid {best.entry.uid:016x}, which is better (standing {best.entry.rank:.3g}): "
        f"similarity {best.similarity:.2f}"
    )
    return Drop("near_duplicate", best.similarity, best.threshold, detail, retractions)
