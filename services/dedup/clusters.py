"""Clusters: documents that are alike share an id, so that whoever reads the corpus can keep them apart.

Two that meet in the bands and are alike from cluster_from on are linked, copies that drop included; those
that links connect are a cluster, and its id is the least uid in it. So it follows from the set of the
documents and not from their order. (In a crowd, past the bounds of its bands, some pairs are never tried, see
neighbours.py; pages of one template are one cluster all the same.) Who is met at all, the bands decide: of
made pairs 19 in 100 at a likeness of 0.5 to 0.6, 52 at 0.6 to 0.7 and 84 at 0.7 to 0.8 (12 bands of 6 rows).

Nobody knows a set before its end. A document goes out with the id that holds then, or with none where that is
its own uid, as of one that is like nobody: `cluster or uid` is its key. Where clusters grow together later,
all lanes are told that two keys are one (`Kin` in pool.control), which the mixer minds from there on. What
was mixed before stays where it is.

The links are a forest in the index: each root that is no longer one has a parent that is less, which it keeps
for ever, so a link may be repeated, replicas may race, and an interrupted one is found again. (Jayanti and
Tarjan, "A randomized concurrent algorithm for disjoint set union", PODC 2016: linked by an order that is
random, as that of uids is, paths grow with the logarithm.)

Who stays is numbered in its cluster: 2, 3, 4 in the order of coming, after the first, whose 1 nobody says; of
two clusters that become one the numbers are added. That is the cluster's size when it came (`cluster_size` in
its features), by which a recipe can thin a crowd out. Those that drop are not counted; those that are taken
back later have been, and stay so. After a kill between a link and the number one has none, or those that
follow are too small.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.dedup.case import Case
from services.dedup.forest import Forest
from services.dedup.index import NEXT, Growth, Index, Seat


def gather(index: Index, cases: Sequence[Case], copies: Sequence[Case]) -> None:
    """Say of each document to which cluster it belongs and as which. Raises DependencyDown.

    copies: of texts that others hold. They join as well, and are not counted.
    """
    links = [(case.entry.uid, other) for case in cases for other in case.kin]
    links += [(case.entry.uid, case.holder[2]) for case in (*cases, *copies) if case.beaten]
    again = [case.entry.uid for case in cases if not case.fresh]
    if not links and not again:
        return
    forest = Forest(index)
    forest.unite(links, again)
    grown = _count_together(index, forest, {case.entry.uid for case in (*cases, *copies) if case.fresh})
    _number(index, forest, cases)
    forest.refresh()
    for case in (*cases, *copies):
        told, grown = grown, {}
        if not case.fresh:  # who linked them may have been interrupted before anyone was told
            told = {one: 0 for uid in (case.entry.uid, *case.kin) for one in forest.path(uid)} | told
        case.merged = [(one, forest.root(one), count) for one, count in told.items()]
        root = forest.root(case.entry.uid)
        case.cluster = 0 if root == case.entry.uid else root


def _count_together(index: Index, forest: Forest, fresh: Collection[int]) -> dict[int, int]:
    """Of clusters that are others' now, how many are in those; fresh: uids that are under judgement.

    One of these that was linked goes out with the id of the other, and nobody has to be told, unless another
    replica has met it meanwhile and let a document go out with its uid: which numbers first and looks after
    who is linked, as here is linked first and looked after who was numbered.
    """
    linked = [one for one, _ in forest.linked]
    counts = index.counts(linked)
    told = [one for one in linked if one not in fresh or one in counts]
    roots = [forest.root(one) for one in told]
    growths = [
        Growth(root, root not in fresh, counts.get(one, 1)) for one, root in zip(told, roots, strict=True)
    ]
    return dict(zip(told, index.add(growths), strict=True))


def _number(index: Index, forest: Forest, cases: Sequence[Case]) -> None:
    """Those that stay, but for the first of a cluster."""
    counted = []
    for case in cases:
        root = forest.root(case.entry.uid)
        first = root == case.entry.uid and not (case.kin and case.fresh)
        if case.killer is None and (case.kin or not first):
            counted.append((case, Seat(root, 0 if first else NEXT)))
    numbers = index.number([(case.entry.uid, seat) for case, seat in counted])
    for (case, _), number in zip(counted, numbers, strict=True):
        case.size = number
