"""The cold tier of dedup: bytes and CPU a document, and how many drop that are like nothing there.

Documents are judged and moved, and then keys are added until the filter is full, which is its worst.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from contracts import DedupRecord
from services.dedup import DedupConfig, build
from services.dedup.cold import at_least, needed
from services.dedup.cool import Cooler
from services.runtime import Reject, Resources, Settings
from services.runtime.settings import RedisSettings
from tests.benchmarks.dedup import Cost, documents
from tests.benchmarks.figures import Figure
from tests.servers import RedisServer

NUM, STRANGERS, BATCH = 20_000, 200_000, 1_000
CONFIG = DedupConfig(cold_documents=58_000)  # one page


def run() -> Iterator[Figure]:
    """All figures; starts a server of its own."""
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), "--appendonly", "yes")
        try:
            yield from _figures(server)
        finally:
            server.stop()


def _figures(server: RedisServer) -> Iterator[Figure]:
    resources = Resources(Settings(redis=RedisSettings(url=server.url)))
    judge = build(CONFIG, resources)
    judge.begin({})
    whole, corpus, log = Cost(server), documents(NUM), []
    for start in range(0, NUM, BATCH):
        for verdict in judge(corpus[start : start + BATCH]):
            also = () if isinstance(verdict, Reject) else verdict.also
            log += [each.value for each in also if isinstance(each.value, DedupRecord)]
    hot = whole.spent()[1]
    cooler, cost = Cooler(resources, CONFIG), Cost(server)
    moved = cooler.move(log)
    yield Figure("cold: to move a document", cost.spent()[0] / moved * 1e3, "ms CPU")
    (page,) = cooler.cold.filters()
    rest = (whole.spent()[1] - page.pages * 1_048_576) / moved
    yield Figure("cold: in the full index before", hot / NUM, "bytes a document")
    yield Figure("cold: left of it", rest, "bytes a document", "<= 60", rest <= 60)

    rng = np.random.default_rng(0)
    while (room := cooler.cold.filters()[0].room) > 0:
        cooler.cold.add(rng.integers(1, 1 << 48, min(room, 100_000), dtype=np.uint64), 8_333)
    filters = cooler.cold.filters()
    each = page.pages * 1_048_576 / (filters[0].keys / CONFIG.bands)
    yield Figure("cold: in a filter that is full", each, "bytes a document", "<= 18.5", each <= 18.5)
    keys = np.zeros((BATCH, 2 * CONFIG.bands), np.uint64)
    hits, cost = np.zeros(CONFIG.bands + 1, int), Cost(server)
    for _ in range(STRANGERS // BATCH):
        keys[:, : CONFIG.bands] = rng.integers(1, 1 << 48, (BATCH, CONFIG.bands), dtype=np.uint64)
        traces = cooler.cold.look(keys, [0.8] * BATCH, filters)
        hits += np.bincount([trace.hits for trace in traces], minlength=len(hits))
    yield Figure("cold: to look up a document", cost.spent()[0] / STRANGERS * 1e3, "ms CPU", "<= 0.05")
    for number in (1, 2, 3):
        share, said = hits[number:].sum() / STRANGERS, at_least(number, CONFIG.bands, filters[0].seems)
        yield Figure(f"cold: strangers with {number} keys there", share, "of all", f"~ {said:.2g}")
    false = at_least(needed(0.8, CONFIG), CONFIG.bands, filters[0].seems)
    yield Figure("cold: falsely dropped, by arithmetic", false, "of all", "< 1e-6", false < 1e-6)
    drops = int(hits[needed(0.8, CONFIG) :].sum())
    yield Figure(f"cold: falsely dropped of {STRANGERS:,}", drops, "documents", "<= 1", drops <= 1)
    cooler.close()
