"""What the cold tier knows of newcomers, before they are entered anywhere else.

Who drops for it is entered under no key and takes nobody's place: there, what came first counts as the
better one. It is asked once, at first sight. Who is judged again after a kill, and was not buried yet, goes
on as if there were no cold tier, since it may have buried others; so does a dead letter that was put back,
which may be cold itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from services.dedup import cold
from services.dedup.case import Case
from services.dedup.cold_index import RedisCold
from services.dedup.config import DedupConfig
from services.dedup.index import Index
from services.dedup.namespaces import turned
from services.dedup.shingles import Words


def look_cold(tier: RedisCold, index: Index, cases: Sequence[Case], config: DedupConfig) -> None:
    """Say of each whether it drops, and with what chance it would of itself. Raises DependencyDown."""
    filters = tier.filters()
    if not filters:
        return
    buried = index.deaths([case.entry.uid for case in cases if not case.fresh])
    asked = [
        (case, keys, name)
        for case in cases
        if case.fresh or (case.entry.uid in buried and buried[case.entry.uid].killer == cold.COLD)
        for keys, name in _kept(case)
    ]
    if not asked:
        return
    bounds = [case.entry.threshold / 200 for case, _, _ in asked]
    traces = tier.look(np.array([keys for _, keys, _ in asked]), bounds, filters)
    for (case, keys, name), trace in zip(asked, traces, strict=True):
        kinds = int(keys.reshape(2, -1).any(axis=1).sum())
        case.chance += cold.false_drop(filters, trace.needed, kinds, config)
        if trace.duplicate and (case.cold is None or trace.hits > case.cold.hits):
            case.cold = trace._replace(namespace=name)


def _kept(case: Case) -> Iterator[tuple[Words, str]]:
    """Its keys as its own namespace keeps them, and as those do to which it gives way."""
    if case.home.reference or case.document.position.redriven:
        return
    yield case.bands, ""
    for other in case.home.abroad:
        if other.above and not other.stretches:
            yield turned(case.bands, case.home.salt ^ other.salt), other.name
