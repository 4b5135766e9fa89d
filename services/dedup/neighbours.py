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
    0.1  # who is so far below the threshold by the short sketch (3 standard errors) is not looked at again
)


def look_round(index: Index, cases: Sequence[Case]) -> None:
    """Enter the documents, then say of each whom it met. Raises DependencyDown."""
    if not cases:
        return
    met = index.link([case.entry.order for case in cases], np.array([case.bands for case in cases]))
    entries = index.fetch(set().union(*(each.uids for each in met)))
    others = {
        case.entry.uid: [entries[uid] for uid in sorted(found.uids) if uid in entries]
        for case, found in zip(cases, met, strict=True)
    }
    company = []
    for case, found in zip(cases, met, strict=True):
        case.linked, case.crowded, case.missed = True, found.most >= FOUNDERS, found.missed
        case.near = compare(case.entry, others[case.entry.uid])
        if found.most >= _COMPANY:
            company.append(case)
    if company:
        _look_closer(index, company, others)


def _look_closer(index: Index, cases: Sequence[Case], others: Mapping[int, Sequence[Entry]]) -> None:
    shingles = {case.number: Shingles(case.text) for case in cases}
    opened = index.open_pages(
        {
            case.entry.uid: Page(
                shingles[case.number].sketch(),
                rare_keys(case.minima, bits_of(others[case.entry.uid])) if case.crowded else (),
            )
            for case in cases
        }
    )
    crowd = [case for case in cases if case.crowded]
    for case in cases:
        case.page = opened[case.entry.uid]
    _meet_by_rare_keys(index, crowd)
    asked = {case.number: _asked(case) for case in crowd}
    pages = index.fetch_pages(set().union(*asked.values()) if asked else set())
    for case in crowd:
        case.near = _verified(case, shingles[case.number], asked[case.number], pages)


def _meet_by_rare_keys(index: Index, crowd: Sequence[Case]) -> None:
    keys = np.zeros((len(crowd), RARE), np.uint64)
    for row, case in zip(keys, crowd, strict=True):
        rare = case.page.rare if case.page else ()
        row[: len(rare)] = rare
    met = index.link([case.entry.order for case in crowd], keys, "rare")
    known = [{near.entry.uid for near in case.near} for case in crowd]
    new = [found.uids - known for found, known in zip(met, known, strict=True)]
    entries = index.fetch(set().union(*new)) if new else {}
    for case, uids in zip(crowd, new, strict=True):
        met_here = [entries[uid] for uid in sorted(uids) if uid in entries]
        case.near = [*case.near, *compare(case.entry, met_here)]


def _asked(case: Case) -> set[int]:
    """Those that may be near-duplicates, as far as the short sketch says."""
    return {near.entry.uid for near in case.near if near.similarity >= near.threshold - _PLAIN}


def _verified(case: Case, shingles: Shingles, asked: set[int], pages: Mapping[int, Page]) -> Sequence[Near]:
    """The neighbours, the likeness of each as well as it can be known, and the margin that it must pass."""
    near = [each for each in case.near if each.entry.uid not in asked]
    short = [each for each in case.near if each.entry.uid in asked and each.entry.uid not in pages]
    long = [each for each in case.near if each.entry.uid in asked and each.entry.uid in pages]
    near += [
        Near(each.entry, each.similarity, each.threshold, _z(len(short)) * standard_error(each.threshold))
        for each in short
    ]
    if long:
        alike, error = shingles.likeness([pages[each.entry.uid].sketch for each in long])
        near += [
            Near(each.entry, similarity, each.threshold, _z(len(long)) * deviation)
            for each, similarity, deviation in zip(long, alike.tolist(), error.tolist(), strict=True)
        ]
    return near


@lru_cache(maxsize=1024)
def _z(candidates: int) -> float:
    """Standard errors that the highest of so many estimates passes in _FALSE_ALARMS of cases."""
    return NormalDist().inv_cdf(1 - _FALSE_ALARMS / candidates)
