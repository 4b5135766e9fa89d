"""Clusters: near-duplicates that stay share an id, so that whoever reads the corpus can keep them apart.

The first of a cluster goes out before anyone is like it, and has none; those that come later take its uid.
So `cluster or uid` is the key of a document, and a newcomer takes that of its most similar neighbour of a
likeness of cluster_from or more. Whether that one lives is not asked: a document that drops has a key like
any other, most often that of the one for which it drops; and one that is taken back may already lie in a
part, from which its successor is to be kept apart too. Pages of one template, a crowd, have one key, but for
a few of the first (3 in 100 of 400).

Who is met at all, the bands decide: of made pairs 19 in 100 at a likeness of 0.5 to 0.6, 52 at 0.6 to 0.7
and 84 at 0.7 to 0.8 (12 bands of 6 rows).
Who stays is numbered in its cluster: 2, 3, 4 in the order of coming, after the first, whose 1 nobody says.
That is the cluster's size when it came (`cluster_size` in its features), by which a recipe can thin a crowd
out. Those that drop are not counted; those that are taken back later have been, and stay so.

An id and a number that were given stand. Two that meet each other in the same instant on two replicas may
exchange their keys, and then have none in common.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.dedup.case import Case
from services.dedup.entry import Near
from services.dedup.index import NEXT, Index, Seat


def gather(index: Index, cases: Sequence[Case], least: float) -> None:
    """Say of each document, in this order, to which cluster it belongs and as which. Raises DependencyDown.

    least: the likeness from which two share one. Whose uid is the key of others already, and who is like
    nobody, is left without.
    """
    alike = {case.number: [near for near in case.near if near.similarity >= least] for case in cases}
    asked = {near.entry.uid for found in alike.values() for near in found}
    asked |= {case.entry.uid for case in cases if not case.fresh}
    known = index.clusters(asked)
    joining: dict[int, Seat] = {}
    for case in cases:
        uid, found = case.entry.uid, alike[case.number]
        keys = {near.entry.uid: known.get(near.entry.uid) or near.entry.uid for near in found}
        if uid not in known and found and uid not in keys.values():
            known[uid] = keys[max(found, key=_likeness).entry.uid]
        if uid in known:
            joining[uid] = Seat(known[uid], 0 if case.killer else NEXT)
    standing = dict(zip(joining, index.join(list(joining.items())), strict=True))
    for case in cases:
        uid = case.entry.uid
        case.cluster, case.size = standing.get(uid, (0, 0))


def _likeness(near: Near) -> tuple[float, int]:
    return near.similarity, near.entry.uid
