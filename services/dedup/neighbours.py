"""Who is near a document: looked up by the bands, verified as well as the number of candidates asks for.

Ordinary documents meet few others, and one estimate of each decides, whatever came first. A page of a
template meets dozens, none of which need be its copy, and the noise of the short sketch, 0.03, would take
one of them for it; so there the long sketch decides, and only what passes the threshold by a margin counts.
Which pairs a crowd may thus miss: those within the margin (some 0.02), and those of which neither band nor
rare key still keeps the other (see page.py); tests/soak/test_crowds.py measures both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from services.dedup.case import Case
from services.dedup.entry import Likeness, Near, compare_each
from services.dedup.index import Index
from services.dedup.met import FOUNDERS
from services.dedup.odd_sketch import OddSketch, Shingles
from services.dedup.page import RARE, Page, rare_keys
from services.dedup.sketch import standard_errors

_COMPANY = 4  # others that are alike, from which on a page keeps a long sketch for those that will come
_ALIKE = 0.3  # so far below the threshold, pages are taken for one template's: strangers are further away
_FALSE_ALARMS = 0.01  # share of pages that may drop for an estimate that is too high by chance
_COMPANIONS = 4  # looked at for their rare keys
_PLAIN = (
    0.05  # one and a half standard errors: who is so far below it by the short sketch is not looked at again
)


def look_round(index: Index, cases: Sequence[Case], kin_from: float) -> None:
    """Enter the documents, then say of each whom it met. Raises DependencyDown.

    kin_from: likeness from which two are kin.
    """
    if not cases:
        return
    met = index.link([case.entry.order for case in cases], np.array([case.bands for case in cases]))
    entries = index.fetch(set().union(*(each.uids for each in met)))
    company: list[tuple[Case, tuple[int, ...]]] = []
    for case, found in zip(cases, met, strict=True):
        case.linked, case.met = True, found
    for case, alike in _compared(cases, [sorted(found.uids) for found in met], entries):
        case.kin, template = alike.kin(kin_from), alike.within(_ALIKE)
        if case.met.most < _COMPANY or np.count_nonzero(template) < _COMPANY:
            case.near = alike.nearest()
        elif case.entry.foreign:
            case.near, case.crowded = _by_a_margin(case, alike.nearest(), int(np.count_nonzero(template)))
        elif case.met.most < FOUNDERS:
            case.near = alike.nearest()
            company.append((case, ()))
        else:
            case.near, case.crowded = alike.nearest(_PLAIN), True
            rare = rare_keys(case.minima, alike.bits[template])
            company.append((case, tuple(map(case.home.rare, rare))))
    if company:
        _look_closer(index, company, kin_from)


def _compared(
    cases: Sequence[Case], met: Sequence[Sequence[int]], entries: Mapping[int, bytes]
) -> Iterator[tuple[Case, Likeness]]:
    """Each that met anyone, and how like they are."""
    pairs = [
        (case, others)
        for case, uids in zip(cases, met, strict=True)
        if (others := {uid: entries[uid] for uid in uids if uid in entries})
    ]
    alike = compare_each((case.entry, others) for case, others in pairs)
    return zip((case for case, _ in pairs), alike, strict=True)


def _by_a_margin(case: Case, near: list[Near], tried: int) -> tuple[list[Near], bool]:
    """Of a signature that was made elsewhere, by which no page can be made; and whether it is a crowd."""
    if case.met.most < FOUNDERS:
        return near, False
    margins = [_z(tried) * case.entry.standard_error(each.threshold) for each in near]
    return [each._replace(margin=margin) for each, margin in zip(near, margins, strict=True)], True


def _look_closer(index: Index, company: Sequence[tuple[Case, tuple[int, ...]]], kin_from: float) -> None:
    """Keep a page of each, with its rare keys, for those that will come; and verify whom a crowd has met."""
    shingles = {case.number: Shingles(case.text) for case, _ in company}
    opened = index.open_pages(
        {case.entry.uid: Page(shingles[case.number].sketch(), rare) for case, rare in company}
    )
    for case, _ in company:
        case.page = opened[case.entry.uid]
    crowd = [case for case, _ in company if case.crowded]
    if not crowd:
        return
    _meet_rarely(index, crowd, kin_from)
    known = index.fetch_sketches({near.entry.uid for case in crowd for near in case.near})
    for case in crowd:
        case.near = _verified(case.near, case.met.quiet, shingles[case.number], known)


def _meet_rarely(index: Index, crowd: Sequence[Case], kin_from: float) -> None:
    """Those with whom they share rare keys come to their neighbours.

    A key may be a phrase that others use too, the more of them the larger the corpus, so no more than
    _COMPANIONS are looked at, who are the likeliest: a near-duplicate shares three keys or so.
    """
    keys = np.zeros((len(crowd), RARE), np.uint64)
    for row, case in zip(keys, crowd, strict=True):
        rare = case.page.rare if case.page else ()
        row[: len(rare)] = rare
    met = index.link([case.entry.order for case in crowd], keys, "rare")
    for case, found in zip(crowd, met, strict=True):
        case.met_rarely = found
    new = [case.met_rarely.likeliest(_COMPANIONS, case.met.uids) for case in crowd]
    entries = index.fetch(set().union(*new))
    for case, alike in _compared(crowd, new, entries):
        case.near = [*case.near, *alike.nearest(_PLAIN)]
        case.kin = [*case.kin, *alike.kin(kin_from)]


def _verified(
    near: Sequence[Near], quiet: Collection[int], shingles: Shingles, sketches: Mapping[int, OddSketch]
) -> list[Near]:
    """The same, the likeness of each as well as it can be known, and the margin that it must pass.

    quiet: those met where no crowd was, who are few: they are judged as in an ordinary document.
    """
    long = [each for each in near if each.entry.uid in sketches]
    short = [each for each in near if each.entry.uid not in sketches]
    loud = [each for each in short if each.entry.uid not in quiet]
    verified = [each for each in short if each.entry.uid in quiet]
    verified += [each._replace(margin=_z(len(loud)) * _error(each.threshold)) for each in loud]
    if long:
        alike, error = shingles.likeness([sketches[each.entry.uid] for each in long])
        verified += [
            Near(each.entry, similarity, each.threshold, _z(len(long)) * deviation)
            for each, similarity, deviation in zip(long, alike.tolist(), error.tolist(), strict=True)
        ]
    return verified


@lru_cache(maxsize=1024)
def _error(likeness: float) -> float:
    return float(standard_errors(np.array(likeness)))


@lru_cache(maxsize=1024)
def _z(candidates: int) -> float:
    """Standard errors that the highest of so many estimates passes in _FALSE_ALARMS of cases."""
    return NormalDist().inv_cdf(1 - _FALSE_ALARMS / candidates)
