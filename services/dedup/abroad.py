"""Who is near a document in other namespaces that it is against, or that are against its own.

They are met under their bands alone, as these keep them: of more than 16 under one key the first seven and
the best nine. (Rare keys, by which pages of one template find each other, are of one namespace.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from services.dedup.case import Case
from services.dedup.entry import Entry, Near, compare
from services.dedup.index import Index
from services.dedup.namespaces import Abroad, turned

_FEW = 4  # of so many the estimate decides as it is
_FALSE_ALARMS = 0.01  # share of documents that may drop since one of many estimates is too high by chance


def look_abroad(index: Index, cases: Sequence[Case]) -> None:
    """Say of each, once it is entered at home, of whom elsewhere it is a copy. Raises DependencyDown."""
    asked = [(case, other) for case in cases for other in case.home.abroad]
    if not asked:
        return
    keys = np.array([turned(case.bands, case.home.salt ^ other.salt) for case, other in asked])
    met = index.meet([case.entry.order for case, _ in asked], keys)
    entries = index.fetch(set().union(*(each.uids for each in met)))
    for (case, other), found in zip(asked, met, strict=True):
        near = [each for each in alike_there(case.entry, other, found.uids, entries) if each.duplicate]
        if other.above:
            case.above = [*case.above, *near]
        else:
            case.below = [*case.below, *near]


def alike_there(
    entry: Entry, there: Abroad, uids: Collection[int], entries: Mapping[int, bytes]
) -> list[Near]:
    """Of those that were met there, the likest, and those that pass the threshold."""
    others = {
        uid: entries[uid]
        for uid in sorted(uids)
        if uid in entries and there.counts(entry.ingested_s, Entry.unpack(uid, entries[uid]).ingested_s)
    }
    if not others:
        return []
    return [
        near._replace(
            margin=_errors(len(others)) * entry.standard_error(near.threshold), namespace=there.name
        )
        for near in compare(entry, others).nearest()
    ]


@lru_cache(maxsize=1024)
def _errors(tried: int) -> float:
    """By so many standard errors an estimate must pass the threshold."""
    return 0.0 if tried <= _FEW else NormalDist().inv_cdf(1 - _FALSE_ALARMS / tried)
