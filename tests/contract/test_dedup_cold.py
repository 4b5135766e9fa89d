"""Documents that have gone to the cold tier of a real server go on dropping their copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from contracts import DedupRecord, Document
from services.dedup import DedupConfig, build
from services.dedup.cold import COLD
from services.dedup.cool import Cooler
from services.dedup.explain import explain_in
from services.dedup.namespaces import Namespace
from services.dedup.rebuild import rebuild
from services.dedup.redis_index import RedisIndex
from services.dedup.verdicts import COLD_FALSE
from services.runtime import ConfigurationError, Drop, Emit, Resources, Settings, Verdict
from tests.dedup_kafka import PLACE, Kafka, placed
from tests.near_duplicates import chain, corpus, document, prose, retractions
from tests.template_pages import crowd


def reasons(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.reason if isinstance(verdict, Drop) else type(verdict).__name__ for verdict in verdicts]


def of(kafka: Kafka, documents: Sequence[Document]) -> list[DedupRecord]:
    """What the log says of these."""
    wanted = {each.uid for each in documents}
    return [record for record in kafka.records() if record.uid in wanted]


def moved(resources: Resources, config: DedupConfig, records: Sequence[DedupRecord]) -> int:
    cooler = Cooler(resources, config)
    try:
        return cooler.move(records)
    finally:
        cooler.close()


def copies(documents: Sequence[Document], start: int) -> list[Document]:
    """Of their texts, with a word more, and better than everything."""
    return [
        document(each.uid ^ 0x5555, f"{each.text} again", 1.0, start + at, each.category)
        for at, each in enumerate(documents)
    ]


def dump(resources: Resources, prefix: str) -> dict[bytes, Any]:
    """All that lies there."""
    client = resources.redis
    found: dict[bytes, Any] = {}
    for name in client.scan_iter(match=f"{prefix}{{*}}:*", count=1000):
        kind = client.type(name)
        found[name[len(prefix) :]] = client.hgetall(name) if kind == b"hash" else client.get(name)
    return {name: value for name, value in found.items() if not name.endswith(b"generation:")}


@pytest.mark.parametrize(("shards", "number"), [(1, 1100), (3, 200)])
def test_what_is_cold_goes_on_dropping_its_copies(resources: Resources, shards: int, number: int) -> None:
    """And what is not stays as it was: found by name, in hashes that have grown and shrunk."""
    config = DedupConfig(shards=shards, cold_documents=1000)
    judge, kafka = build(config, resources), Kafka()
    judge.begin({})
    texts = [" ".join(prose(seed, 60)) for seed in range(number)]
    documents = placed([document(uid + 1, text) for uid, text in enumerate(texts)])
    first = kafka.judge(judge, documents, 400)
    assert set(reasons(first)) == {"Emit"}
    old, young = documents[:-100], documents[-100:]
    used = resources.redis.info("memory")["used_memory"]
    assert moved(resources, config, of(kafka, old)) == len(old)
    assert moved(resources, config, of(kafka, old)) == 0
    left = resources.redis.info("memory")["used_memory"]
    if number > 1000:  # the page, for 58,000, takes more than so few had taken
        assert used - left > len(old) * 100 - 1_100_000
    again = build(config, resources)
    again.begin({PLACE: kafka.offset})
    verdicts = again(placed(copies(old, 2000), 2000))
    assert reasons(verdicts).count("cold_duplicate") > 0.97 * len(old)
    for verdict in verdicts:
        if isinstance(verdict, Drop):
            assert 0.8 < (verdict.measured or 0) <= 1
            assert "of which no more is known" in verdict.detail
            assert 0 < verdict.observed[COLD_FALSE][0] < 1e-6
            assert not retractions(verdict)
    newer = again(placed(copies(young, 4000), 4000))
    assert set(reasons(newer)) == {"Emit"}
    assert sum(len(retractions(each)) for each in newer) > 95
    strangers = [document(10**6 + seed, " ".join(prose(seed, 60))) for seed in range(6000, 6100)]
    assert set(reasons(again(placed(strangers, 6000)))) == {"Emit"}


def test_a_move_that_is_killed_is_repeated(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any step: in the end all is as if there had been no kill; crowds and exact copies as well."""
    config = DedupConfig(prefix="killed")
    documents = placed([*corpus(3), *crowd(1, 60, 0.72, pairs=8, twin=0.89).pages])
    old = documents[: len(documents) * 2 // 3]
    ends, do = [], RedisIndex._do
    for prefix, steps in (("whole", 0), ("killed", 7)):
        config = DedupConfig(prefix=prefix)
        judge, kafka = build(config, resources), Kafka()
        judge.begin({})
        kafka.judge(judge, [Document.FromString(each.SerializeToString()) for each in documents])
        for step in range(steps):
            left = iter(range(step))

            def killed(self: RedisIndex, *given: Any, left: Iterator[int] = left) -> None:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                do(self, *given)

            monkeypatch.setattr(RedisIndex, "_do", killed)
            try:
                moved(resources, config, of(kafka, old))
            except KeyboardInterrupt:
                assert step < 5  # there are five calls
            monkeypatch.setattr(RedisIndex, "_do", do)
        moved(resources, config, of(kafka, old))
        found = dump(resources, prefix)
        found.pop(b"{0}:cold:")  # how often keys were entered
        crowds = {name for name in found if name.startswith((b"{0}:bands:c", b"{0}:rare:c"))}
        ends.append(
            {name: value[4:] if name in crowds else value for name, value in found.items()}
        )  # but for how many came later
    assert ends[0] == ends[1]
    assert not any(name.startswith(b"{0}:pages:") for name in ends[0]) or len(ends[0]) > 100


def test_nobody_is_lost_while_a_document_is_in_both(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A better newcomer that drops for what is cold takes nothing back of what is still there."""
    config = DedupConfig()
    judge, kafka = build(config, resources), Kafka()
    judge.begin({})
    a, b, c = chain(5, 3, 0.02)
    kafka.judge(judge, placed([document(1, a)]))
    monkeypatch.setattr(RedisIndex, "remove", lambda self, gone: None)
    moved(resources, config, kafka.records())
    (verdict,) = judge(placed([document(2, b, 1.0)], 1))
    assert reasons([verdict]) == ["cold_duplicate"]
    assert not retractions(verdict)
    assert isinstance(verdict, Drop)
    killers = [each.value.killer for each in verdict.also if isinstance(each.value, DedupRecord)]
    assert killers == [0, COLD]
    # judged again after a kill it drops likewise, and what comes by name for an interrupted one stays
    (again,) = judge(placed([document(2, b, 1.0)], 1))
    assert reasons([again]) == ["cold_duplicate"]
    letter = placed([document(3, c, 1.0)], 5)[0]
    letter.position.redriven = True
    (late,) = judge([letter])
    assert isinstance(late, Emit)
    assert [each.uid for each in retractions(late)] == [1]


def test_a_rebuild_brings_it_back(resources: Resources) -> None:
    """As it is set: what is old goes to the cold tier at once, or comes back into the full index."""
    bench = Namespace("bench", of=("s3://bench/*",), reference=True)
    config = DedupConfig(shards=3, namespaces=(bench,))
    judge, kafka = build(config, resources), Kafka()
    judge.begin({})
    old = [document(uid, " ".join(prose(uid)), 0.5) for uid in range(1, 41)]
    for each in old[:20]:
        each.source = "s3://bench/a"
    kafka.judge(judge, placed(old))
    moved(resources, config, kafka.records())
    newcomers = placed(copies(old, 100), 100)
    told = []
    for read, read_cold in [(tuple, kafka.records), (kafka.records, tuple)]:
        made = rebuild(read, {PLACE: 100}, resources, config, read_cold=read_cold)
        assert (made.cold, made.documents) in {(40, 0), (0, 40)}
        again = build(config, resources)
        again.begin({PLACE: 100})
        told.append(again([Document.FromString(each.SerializeToString()) for each in newcomers]))
        asked = explain_in(Settings(redis=resources.settings.redis), config, newcomers[30])
        assert bool(asked.cold and asked.cold.duplicate) == bool(made.cold)
    cold, full = told
    assert reasons(cold) == ["cold_duplicate"] * 40
    assert isinstance(cold[0], Drop)
    assert "of namespace bench" in cold[0].detail
    assert set(reasons(full)) == {"other_namespace", "Emit"}


def test_filters_follow_each_other(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is as large as all before it; who stands in any is found."""
    monkeypatch.setattr("services.dedup.cold.BITS_A_KEY", 60_000)  # full after some 20 documents
    config = DedupConfig(cold_documents=1, shards=2)
    judge, kafka = build(config, resources), Kafka()
    judge.begin({})
    documents = placed([document(uid, " ".join(prose(uid))) for uid in range(1, 91)])
    kafka.judge(judge, documents)
    cooler = Cooler(resources, config)
    for start in range(0, 90, 30):
        assert cooler.move(of(kafka, documents[start : start + 30])) == 30
    filters = cooler.cold.filters()
    assert [(each.first, each.pages) for each in filters] == [(0, 1), (1, 1), (2, 2)]
    assert sum(each.keys for each in filters) == 90 * 12
    assert cooler.cold.documents() == 90
    bits = sum(
        resources.redis.bitcount(name) for name in resources.redis.scan_iter(match="dedup{*}:cold:[0-9]")
    )
    assert 0.98 * 90 * 12 * 8 < bits <= 90 * 12 * 8  # no more than what keys set, or strangers would drop
    cooler.cold.take({0: 7})
    assert cooler.cold.taken() == {0: 7}
    cooler.close()
    assert reasons(judge(placed(copies(documents, 200), 200))) == ["cold_duplicate"] * 90


def test_without_an_index_nothing_is_moved(resources: Resources) -> None:
    with pytest.raises(ConfigurationError, match="no index dedup is in Redis"):
        Cooler(resources, DedupConfig())
