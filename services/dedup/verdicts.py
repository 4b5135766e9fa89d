"""What is said of a document that has been judged: its verdict, and the records that go with it.

A document that drops names the one for which it was dropped and the one that stands for it in the end,
which may be another: of a ~ b ~ c, c drops for b, and b for a, which need not be like c. The likeness to
the one that lives is what the corpus has lost by, so it is measured, and is a metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts import Control, Kin, Retraction
from services.dedup import log
from services.dedup.case import Case
from services.dedup.cold import COLD
from services.dedup.entry import Entry, Near, compare
from services.dedup.handed_on import split
from services.dedup.index import Death
from services.dedup.page import late_last, pack_keys
from services.runtime import Also, Drop, Emit, Verdict, topics

# Metrics of the runtime; see services/runtime/metrics.py.
LIKENESS, MISSED, SPARED = "dedup_living_likeness", "dedup_crowd_missed", "dedup_crowd_spared"
COLD_FALSE = "dedup_cold_false"

CLUSTER_SIZE = "cluster_size"  # the feature, of those that came later in a cluster; see clusters.py


@dataclass(frozen=True)
class Outcome:
    """deaths: what was asked for, and what stands. living: who lives in place of each.

    entries: of these, packed. lanes: who is told of clusters that have become one.
    """

    deaths: Mapping[tuple[int, Death], Death]
    living: Mapping[int, int]
    entries: Mapping[int, bytes]
    lanes: int = 1

    def retracts(self, victim: int, killer: int) -> bool:
        """Whether this killer is the one to take the victim back."""
        death = Death(killer, went_on=True)
        return self.deaths.get((victim, death)) == death

    def dies(self, uid: int, killer: int) -> bool:
        """Whether this document drops for this killer, before it ever went on."""
        death = Death(killer, went_on=False)
        return self.deaths.get((uid, death)) == death

    def stands_for(self, uid: int, other: Entry, known: Mapping[int, float]) -> tuple[int, float]:
        """Who lives in the end of a document for which `other` stands back, and how like `other` it is.

        known: the likeness to some, which is not estimated again.
        """
        lives = self.living[uid]
        if lives in known:
            return lives, known[lives]
        if lives == COLD:
            return lives, known.get(uid, 0.0)
        entry = self.entries.get(lives)
        return lives, float(compare(other, {lives: entry}).similarity[0]) if entry else 0.0


def cold_duplicate(case: Case, outcome: Outcome) -> Verdict:
    """Of a document that enough keys of the cold tier are those of."""
    trace, threshold = case.cold, case.entry.threshold / 200
    if trace is None:
        raise ValueError("a document that has no trace in the cold tier")
    where = f" of namespace {trace.namespace}" if trace.namespace else ""
    detail = (
        f"{trace.hits} of its keys are in the cold tier{where}, where {trace.needed} are enough: similarity "
        f"about {trace.likeness:.2f} to a document that came long ago, of which no more is known"
    )
    also, observed = _beside(case, outcome)
    return Drop("cold_duplicate", trace.likeness, threshold, detail, also, observed)


def exact_duplicate(case: Case, outcome: Outcome) -> Verdict:
    """Of the worse copy of a text."""
    rank, _, holder = case.holder
    lives, alike = outcome.stands_for(holder, case.entry, {holder: 1.0})
    detail = f"the same text as uid {holder:016x}, which is better (standing {rank:.3g})"
    also, observed = _beside(case, outcome)
    observed.setdefault(LIKENESS, []).insert(0, alike)
    return Drop("exact_duplicate", alike, 1.0, detail + _instead(holder, lives, alike), also, observed)


def settled(case: Case, outcome: Outcome) -> Verdict:
    """Of a document that has met its neighbours."""
    if case.beaten:
        return exact_duplicate(case, outcome)
    if case.home.reference:
        also, observed = _beside(case, outcome)
        return Drop("reference", None, None, f"of namespace {case.home.name}", also, observed)
    best = case.better
    if best is not None:
        return _near_duplicate(case, best, outcome)
    if case.near:
        case.document.features["dedup_similarity"] = max(near.similarity for near in case.near)
    case.document.cluster = case.cluster
    case.document.features.pop(CLUSTER_SIZE, None)  # of another index, in a message that was put back
    if case.size:
        case.document.features[CLUSTER_SIZE] = case.size
    also, observed = _beside(case, outcome)
    pooled, whole = split(case.document)
    return Emit(pooled, (*also, whole), observed)


def _near_duplicate(case: Case, best: Near, outcome: Outcome) -> Verdict:
    known = {near.entry.uid: near.similarity for near in (*case.near, *case.above)}
    lives, alike = outcome.stands_for(best.entry.uid, case.entry, known)
    why = f"of namespace {best.namespace}" if best.namespace else f"better (standing {best.entry.rank:.3g})"
    detail = f"like uid {best.entry.uid:016x}, which is {why}: similarity {best.similarity:.2f}"
    also, observed = _beside(case, outcome)
    observed.setdefault(LIKENESS, []).insert(0, alike)
    detail += _instead(best.entry.uid, lives, alike)
    reason = "other_namespace" if best.namespace else "near_duplicate"
    return Drop(reason, alike, best.threshold, detail, also, observed)


def _instead(killer: int, lives: int, alike: float) -> str:
    if lives == killer:
        return ""
    if lives == COLD:
        return "; that one dropped for a document of the cold tier"
    return f"; that one dropped as well, and uid {lives:016x} stands for both: similarity {alike:.2f}"


def _beside(case: Case, outcome: Outcome) -> tuple[tuple[Also, ...], dict[str, list[float]]]:
    """Records and retractions that go with the verdict, and what is measured."""
    uid = case.entry.uid
    also, observed = [_sighting(case), *_kin(case, outcome.lanes)], _crowd(case)
    if case.chance:
        observed[COLD_FALSE] = [case.chance]
    if (killer := case.killer) is not None and outcome.dies(uid, killer):
        also.append(log.death(uid, killer, retracted=False))
    for near in case.worse:
        if outcome.retracts(near.entry.uid, uid):
            lives, alike = outcome.stands_for(uid, near.entry, {uid: near.similarity})
            observed.setdefault(LIKENESS, []).append(alike)
            said = Retraction(uid=near.entry.uid, superseded_by=lives, similarity=alike)
            also += [log.death(near.entry.uid, uid, retracted=True), _retraction(said)]
    return tuple(also), observed


def _crowd(case: Case) -> dict[str, list[float]]:
    if not case.crowded:
        return {}
    return {MISSED: [float(case.met.missed)], SPARED: [float(sum(near.spared for near in case.near))]}


def _sighting(case: Case) -> Also:
    page = case.page
    bands, late_bands = late_last(case.packed_bands if case.linked else b"", case.met.late)
    rare, late_rare = late_last(pack_keys(page.rare) if page else b"", case.met_rarely.late)
    return log.sighting(
        case.entry.uid,
        case.entry.pack(),
        case.exact,
        bands,
        late_bands=late_bands,
        rare=rare,
        late_rare=late_rare,
        sketch=page.sketch.pack() if page else b"",
        cluster=case.cluster,
        number=case.size,
        merged=case.merged,
    )


def _kin(case: Case, lanes: int) -> list[Also]:
    """To each lane, which keys of documents that went on before are one now."""
    return [
        Also(topics.CONTROL, Control(kin=Kin(key=key, into=into)), key.to_bytes(8, "big"), lane)
        for key, into, _ in case.merged
        for lane in range(lanes)
    ]


def _retraction(retraction: Retraction) -> Also:
    return Also(
        topics.CONTROL, Control(retraction=retraction), retraction.uid.to_bytes(8, "big"), retraction.uid
    )
