"""Fifty thousand pages of one template over a real Redis: what they cost, what drops, what is missed.

Costs are CPU time of this process and of the server, measured side by side: batches of newcomers to a
crowd of 500 and to one of 50,000 in turns, and batches of texts that are like nothing.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contracts import Document
from services.dedup import DedupConfig, Deduplicator
from services.dedup.entry import Entry
from services.dedup.redis_index import RedisIndex
from services.runtime.state import RedisMarks, Server
from tests.near_duplicates import document, redis_judge
from tests.servers import RedisServer
from tests.template_pages import Crowd, Judged, crowd, jaccard, judged, words

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

PAGES, FEW = 50_000, 500
ROUNDS, BATCH = 6, 100
CONFIG = DedupConfig(durable=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path)
    yield running
    running.stop()


class Meter:
    """CPU seconds of this process and of the server, and bytes of the server."""

    def __init__(self, server: RedisServer) -> None:
        self._client = server.client()

    def cpu(self) -> float:
        info = self._client.info("cpu")
        return time.process_time() + float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def memory(self) -> int:
        return int(self._client.info("memory")["used_memory"])

    def of(self, judge: Deduplicator, pages: Sequence[Document]) -> tuple[float, Judged]:
        """Of judging them, and what became of them."""
        before = self.cpu()
        outcome = judged(judge, pages)
        return self.cpu() - before, outcome


def strangers(seed: int, count: int) -> list[Document]:
    """Texts that are like nothing, of the length of a page."""
    rng = random.Random(seed + 1)
    return [document(rng.getrandbits(64) | 1, " ".join(words(rng, 3000)), rng.random()) for _ in range(count)]


def test_a_crowd_of_fifty_thousand(server: RedisServer, seed: int) -> None:
    """The numbers that the issue asks for: cost by the size of the crowd, false drops, copies found."""
    meter, many = Meter(server), redis_judge(server.client(), CONFIG)
    few = redis_judge(server.client(), replace(CONFIG, prefix="few"))
    made = crowd(seed, PAGES, 0.72, pairs=PAGES // 25, twin=0.885)
    gc.collect()
    gc.freeze()  # the pages are ours: a judge has read no more of them than its batch
    pages, tried = made.pages, ROUNDS * BATCH
    before = meter.memory()
    outcome = judged(many, pages[:-tried])
    size = (meter.memory() - before) / (PAGES - tried)
    judged(few, pages[:FEW])
    early = late = alone = 0.0
    for start, others in zip(range(0, tried, BATCH), batches(strangers(seed, tried)), strict=True):
        newest = pages[PAGES - tried + start :][:BATCH]
        early += meter.of(few, pages[FEW + start :][:BATCH])[0]
        cost, became = meter.of(many, newest)
        late += cost
        outcome.add(became)
        alone += meter.of(many, others)[0]
    false, found, pairs = shares(made, outcome)
    print(
        f"\nseed {seed}: {early / tried * 1e3:.3f} ms CPU a page at {FEW}, {late / tried * 1e3:.3f} at "
        f"{PAGES:,}, {alone / tried * 1e3:.3f} of a stranger; {size:.0f} bytes a page; "
        f"false drops {false:.4%}; {found:.4f} of {pairs} pairs found; "
        f"{outcome.missed / PAGES:,.0f} not met a page, {outcome.spared:.0f} spared in all"
    )
    assert late <= 1.5 * early
    assert late <= 5 * alone
    assert false <= 0.01
    assert pairs > PAGES // 40
    assert found >= 0.98
    assert size < 1500


def batches(documents: Sequence[Document]) -> Iterator[Sequence[Document]]:
    """One after the other."""
    for start in range(0, len(documents), BATCH):
        yield documents[start : start + BATCH]


def shares(made: Crowd, outcome: Judged) -> tuple[float, float, int]:
    """Of pages without a copy, those that dropped; of pairs of J >= 0.85, those found; how many these are."""
    texts = {page.uid: page.text for page in made.pages}
    close = [(a, b) for a, b in made.twins if jaccard(texts[a], texts[b]) >= 0.85]
    twins = {uid for pair in made.twins for uid in pair}
    false = len(outcome.dead - twins) / (len(made.pages) - len(twins))
    found = [(a in outcome.dead) + (b in outcome.dead) == 1 for a, b in close]
    return false, float(np.mean(found)), len(close)


@pytest.mark.parametrize(("bits", "most", "least"), [(48, 5, 0), (32, 12_400, 10_900)])
def test_strangers_are_met_as_the_arithmetic_says(
    server: RedisServer, seed: int, bits: int, most: int, least: int
) -> None:
    """Ten million keys made at random: 10^14 / 2 / 2^bits of them meet one before, 0.18 and 11,640."""
    config = DedupConfig(durable=False)
    connected = Server(server.client(60), config)
    marks = RedisMarks(connected, config)
    marks.begin({})
    index = RedisIndex(connected, config, marks.generation)
    rng = np.random.default_rng(seed)
    met = 0
    bands = 10
    for start in range(0, 1_000_000, 2000):
        keys = rng.integers(1, 2**48, (2000, bands), np.uint64)
        keys &= np.uint64(2**bits - 1 if bits == 48 else 0xFFFFFFFF)
        orders = [(0.5, 7, start + row + 1) for row in range(2000)]
        index.put([Entry(uid, 0.5, 7, 160, bytes(6), bytes(48)) for _, _, uid in orders])
        met += sum(len(found.uids) for found in index.link(orders, keys))
    print(f"\nseed {seed}: keys of {bits} bits: {met} strangers met by 1,000,000 documents of {bands} bands")
    assert least <= met <= most


def test_copies_by_the_thousand_cost_what_one_does(server: RedisServer, seed: int) -> None:
    """Ten thousand near copies of one article: the best stands, and the last costs what the hundredth did."""
    rng = random.Random(seed)
    text = " ".join(words(rng, 3000))
    copies = [document(uid, f"{text} {words(rng, 30)[0]}", rng.random()) for uid in range(1, 10_001)]
    meter, judge = Meter(server), redis_judge(server.client(), CONFIG)
    alive: set[int] = set()

    def cost(part: Sequence[Document]) -> float:
        spent, outcome = meter.of(judge, part)
        alive.update(each.uid for each in part)
        alive.difference_update(outcome.dead)
        return spent

    cost(copies[:100])
    early = cost(copies[100:600])
    cost(copies[600:-500])
    late = cost(copies[-500:])
    print(f"\nseed {seed}: {early * 2:.3f} and {late * 2:.3f} ms CPU a copy; alive {len(alive)}")
    best = max(copies, key=lambda each: (each.rank, each.uid))
    assert alive == {best.uid}
    assert late <= 1.5 * early
