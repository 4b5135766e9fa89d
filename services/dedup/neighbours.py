"""Who is near a document: looked up by the bands, verified as well as the number of candidates asks for.

Ordinary documents meet few others, and one estimate of each decides, whatever came first. A page of a
template meets dozens, none of which need be its copy, and the noise of the short sketch, 0.03, would take
one of them for it; so there the long sketch decides, and only what passes the threshold by a margin counts.
Which pairs a crowd may thus miss: those within the margin (some 0.02), and those of which neither band nor
rare key still keeps the other (see page.py); tests/soak/test_crowds.py measures both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from services.dedup.case import Case
from services.dedup.entry import Entry, Near, bits_of, compare
from services.dedup.index import FOUNDERS, Index
from services.dedup.odd_sketch import Shingles
from services.dedup.page import RARE, Page, rare_keys
from services.dedup.sketch import standard_error

_COMPANY = 4  # others in one band, from which on a page keeps a long sketch for those that will come
_FALSE_ALARMS = 0.01  # share of pages that may drop for an estimate that is too high by chance
_PLAIN = (
    0.07  # two standard errors: who is so far below the threshold by the short sketch is not looked at again
)


def look_round(index: Index, cases: Sequence[Case]) -> None:
    """Enter the documents, then say of each whom it met. Raises DependencyDown."""
    if not cases:
        return
    met = index.link([case.entry.order for case in cases], np.array([case.bands for case in cases]))
    entries = index.fetch(set().union(*(each.uids for each in met)))
    company, crowd = [], []
    for case, found in zip(cases, met, strict=True):
        others = [entries[uid] for uid in sorted(found.uids) if uid in entries]
        case.linked, case.crowded, case.missed = True, found.most >= FOUNDERS, found.missed
        if case.crowded:
            crowd.append((case, others))
        else:
            case.near = compare(case.entry, others)
            if found.most >= _COMPANY:
                company.append(case)
    if company or crowd:
        _look_closer(index, company, crowd)


def _look_closer(
    index: Index, company: Sequence[Case], crowd: Sequence[tuple[Case, Sequence[Entry]]]
) -> None:
    """Keep a page of each, for those that will come; and verify whom those in a crowd have met."""
    shingles = {case.number: Shingles(case.text) for case in (*company, *(case for case, _ in crowd))}
    pages = {case.entry.uid: Page(shingles[case.number].sketch()) for case in company}
    for case, others in crowd:
        rare = rare_keys(case.minima, bits_of(others))
        pages[case.entry.uid] = Page(shingles[case.number].sketch(), rare)
    opened = index.open_pages(pages)
    for case in (*company, *(case for case, _ in crowd)):
        case.page = opened[case.entry.uid]
    _meet(index, crowd)
    asked = {near.entry.uid for case, _ in crowd for near in case.near}
    known = index.fetch_pages(asked)
    for case, _ in crowd:
        case.near = _verified(case.near, shingles[case.number], known)


def _meet(index: Index, crowd: Sequence[tuple[Case, Sequence[Entry]]]) -> None:
    """By rare keys as well; of all whom they met, those that may be near-duplicates by the short sketch."""
    if not crowd:
        return
    keys = np.zeros((len(crowd), RARE), np.uint64)
    for row, (case, _) in zip(keys, crowd, strict=True):
        rare = case.page.rare if case.page else ()
        row[: len(rare)] = rare
    met = index.link([case.entry.order for case, _ in crowd], keys, "rare")
    new = [
        found.uids - {other.uid for other in others} for found, (_, others) in zip(met, crowd, strict=True)
    ]
    entries = index.fetch(set().union(*new))
    for (case, others), uids in zip(crowd, new, strict=True):
        rarely = [entries[uid] for uid in sorted(uids) if uid in entries]
        case.near = compare(case.entry, [*others, *rarely], _PLAIN)


def _verified(near: Sequence[Near], shingles: Shingles, pages: Mapping[int, Page]) -> Sequence[Near]:
    """The same, the likeness of each as well as it can be known, and the margin that it must pass."""
    short = [each for each in near if each.entry.uid not in pages]
    long = [each for each in near if each.entry.uid in pages]
    verified = [
        Near(each.entry, each.similarity, each.threshold, _z(len(short)) * standard_error(each.threshold))
        for each in short
    ]
    if long:
        alike, error = shingles.likeness([pages[each.entry.uid].sketch for each in long])
        verified += [
            Near(each.entry, similarity, each.threshold, _z(len(long)) * deviation)
            for each, similarity, deviation in zip(long, alike.tolist(), error.tolist(), strict=True)
        ]
    return verified


@lru_cache(maxsize=1024)
def _z(candidates: int) -> float:
    """Standard errors that the highest of so many estimates passes in _FALSE_ALARMS of cases."""
    return NormalDist().inv_cdf(1 - _FALSE_ALARMS / candidates)
