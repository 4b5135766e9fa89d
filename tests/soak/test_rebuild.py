"""Rebuild of a large index: how fast, and that a next batch finds no difference."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import Document
from services.dedup import DedupConfig, build
from services.dedup.rebuild import documents_in, rebuild
from services.runtime import Resources, Settings
from services.runtime.settings import RedisSettings
from tests.dedup_kafka import PLACE, Kafka, placed, said
from tests.near_duplicates import chain, document
from tests.servers import RedisServer

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DOCUMENTS, NEXT = 200_000, 5_000
CHAIN = 4


def documents(seed: int, count: int) -> Iterator[Document]:
    """Chains of near-duplicates, each cut into pieces that come far apart; some exact copies."""
    rng = random.Random(seed)
    waiting: list[str] = []
    for number in range(count):
        if len(waiting) < 2000:
            for _ in range(500):
                waiting += chain(rng.getrandbits(40), CHAIN, rng.choice([0.02, 0.05, 0.2]))
                waiting.append(waiting[-1])
        at = rng.randrange(len(waiting))
        waiting[at], waiting[-1] = waiting[-1], waiting[at]
        yield document(rng.getrandbits(64) | 1, waiting.pop(), rng.random(), number)


def test_two_hundred_thousand_documents(tmp_path: Path, seed: int) -> None:
    server = RedisServer(tmp_path, "--appendonly", "yes")
    try:
        resources = Resources(Settings(redis=RedisSettings(url=server.url, timeout_s=60)))
        old, new = DedupConfig(prefix="old"), DedupConfig(prefix="new")
        judge, kafka = build(old, resources), Kafka()
        judge.begin({})
        made, start = documents(seed, DOCUMENTS + NEXT), 0
        while start < DOCUMENTS:
            batch = placed([next(made) for _ in range(1000)], start)
            kafka.judge(judge, batch, size=1000)
            start += len(batch)
        size = sum(record.ByteSize() + len(key) + 8 for key, record in kafka.log.items())
        found = rebuild(kafka.records, {PLACE: kafka.offset}, resources, new)
        assert found.documents == DOCUMENTS
        print(
            f"\n{found.documents / found.seconds:,.0f} documents/s; {found.deaths:,} deaths; "
            f"dedup.log {size / DOCUMENTS:.0f} B a document"
        )
        assert documents_in(resources, new) == documents_in(resources, old)
        again = build(new, resources)
        again.begin({PLACE: kafka.offset})
        rest = placed(list(made), DOCUMENTS)
        expected = said(Kafka().judge(judge, rest))
        assert {kind for _, kind, *_ in expected} >= {"", "exact_duplicate", "near_duplicate"}
        assert said(Kafka().judge(again, rest)) == expected
    finally:
        server.stop()
