"""An index made again from dedup.log judges as the one that was lost, in memory and in a real server."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from contracts import DedupRecord, Document
from services.cli.named import command_for
from services.dedup import DedupConfig, build
from services.dedup.namespaces import Namespace
from services.dedup.page import unpack_keys
from services.dedup.rebuild import documents_in, rebuild
from services.dedup.redis_index import RedisIndex
from services.mixer.recipe import bucket_names
from services.runtime import (
    ConfigurationError,
    DependencyDown,
    Emit,
    Resources,
    Settings,
    Verdict,
    agreement,
    load_settings,
)
from services.runtime.journal import closed, journal_url
from services.runtime.settings import RedisSettings
from services.runtime.state import REBUILDING, Server, key, standing
from services.runtime.topology import Topology
from tests.dedup_kafka import PLACE, Kafka, placed, said
from tests.near_duplicates import chain, corpus, document
from tests.servers import RedisServer
from tests.template_pages import crowd


def many(seeds: range) -> list[Document]:
    """Chains of near-duplicates, exact copies and loners, in any order."""
    documents = [document for seed in seeds for document in corpus(seed)]
    random.Random(seeds.start).shuffle(documents)
    return documents


@pytest.mark.parametrize("shards", [1, 3])
def test_every_verdict_is_what_it_would_have_been(resources: Resources, shards: int) -> None:
    """Prevents: a rebuilt index that has lost a killer, a holder of a text, or a member of a band."""
    old, new = DedupConfig(prefix="old", shards=shards), DedupConfig(prefix="new", shards=shards)
    judge, kafka = build(old, resources), Kafka()
    judge.begin({})
    documents = placed(many(range(24)))
    before, after = documents[: len(documents) * 2 // 3], documents[len(documents) * 2 // 3 :]
    kafka.judge(judge, before)
    made = rebuild(kafka.records, {PLACE: kafka.offset}, resources, new)
    assert made.documents == len(before)
    assert made.deaths > 300
    again = build(new, resources)
    again.begin({PLACE: kafka.offset})
    batch = after + before[::7]  # those come again, as already_seen
    expected = said(Kafka().judge(judge, batch))
    assert {kind for _, kind, *_ in expected} == {"", "already_seen", "exact_duplicate", "near_duplicate"}
    assert sum(len(also) > 1 for *_, also in expected) > 100
    assert said(Kafka().judge(again, batch)) == expected


def kin(seed: int) -> list[Document]:
    """Chains of texts that are alike and no near-duplicates, in any order."""
    texts = [text for i in range(40) for text in chain(seed * 1000 + i, 4, 0.09)]
    made = [document(uid + seed * 1000 + 1, text) for uid, text in enumerate(texts)]
    random.Random(seed).shuffle(made)
    return made


def clusters(verdicts: Sequence[Verdict]) -> list[int | None]:
    return [verdict.document.cluster if isinstance(verdict, Emit) else None for verdict in verdicts]


def sizes(verdicts: Sequence[Verdict]) -> list[float]:
    return [v.document.features.get("cluster_size", 0) if isinstance(v, Emit) else 0 for v in verdicts]


@pytest.mark.parametrize("shards", [1, 3])
def test_clusters_go_on(resources: Resources, shards: int) -> None:
    """Prevents a rebuilt index under which a newcomer has another key than its neighbours."""
    old, new = DedupConfig(prefix="old", shards=shards), DedupConfig(prefix="new", shards=shards)
    judge, kafka = build(old, resources), Kafka()
    judge.begin({})
    documents = placed(kin(1) + kin(2))
    before, after = documents[:200], documents[200:]
    first = clusters(kafka.judge(judge, before))
    assert len({*first} - {None, 0}) > 20
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, new)
    again = build(new, resources)
    again.begin({PLACE: kafka.offset})
    told = Kafka().judge(judge, after)
    expected = clusters(told)
    assert len({*expected} & {*first, *(each.uid for each in before)} - {None, 0}) > 8
    assert {2, 3} <= {*sizes(told)}
    told_again = Kafka().judge(again, after)
    assert clusters(told_again) == expected
    assert sizes(told_again) == sizes(told), "they are counted on from where the log ends"


@pytest.mark.parametrize("shards", [1, 3])
def test_namespaces_are_as_they_were(resources: Resources, shards: int) -> None:
    """A benchmark that the new index has lost, or has taken into the corpus, would be trained on."""
    bench = Namespace("bench", of=("s3://bench/*",), reference=True)
    old = DedupConfig(prefix="old", shards=shards, namespaces=(bench,))
    new = DedupConfig(prefix="new", shards=shards, namespaces=(bench,))
    documents = placed(many(range(6)))
    for each in documents[::4]:
        each.source = "s3://bench/test.jsonl"
    before, after = documents[: len(documents) // 2], documents[len(documents) // 2 :]
    judge, kafka = build(old, resources), Kafka()
    judge.begin({})
    kafka.judge(judge, before)
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, new)
    again = build(new, resources)
    again.begin({PLACE: kafka.offset})
    expected = said(Kafka().judge(judge, after))
    assert {"other_namespace", "reference", "near_duplicate"} < {kind for _, kind, *_ in expected}
    assert said(Kafka().judge(again, after)) == expected


def test_a_log_of_before_members_were_numbered_is_read(resources: Resources) -> None:
    """Its clusters stand, and are counted from their next member."""
    kafka, judge = Kafka(), build(DedupConfig(prefix="old"), resources)
    judge.begin({})
    pages = placed(crowd(2, 60, 0.72).pages)
    kafka.judge(judge, pages[:40])
    for record in kafka.log.values():
        record.layout, record.number = 3, 0
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, DedupConfig())
    again = build(DedupConfig(), resources)
    again.begin({PLACE: kafka.offset})
    found = Kafka().judge(again, pages[40:], 7)
    assert [size for size in sizes(found) if size][:5] == [2, 3, 4, 5, 6]


def test_a_log_of_before_there_were_clusters_is_read(resources: Resources) -> None:
    """The way from an older release to this one: its index is refused, and its log has all that is needed."""
    kafka, judge = Kafka(), build(DedupConfig(prefix="old"), resources)
    judge.begin({})
    documents = placed(kin(3))
    kafka.judge(judge, documents[:100])
    for record in kafka.log.values():
        record.layout, record.cluster, record.entry = 2, 0, record.entry[:63]  # no fine sketch
    assert rebuild(kafka.records, {PLACE: kafka.offset}, resources, DedupConfig()).documents == 100
    again = build(DedupConfig(), resources)
    again.begin({PLACE: kafka.offset})
    before = {each.uid for each in documents[:100]}
    assert len({*clusters(Kafka().judge(again, documents[100:]))} & before) > 5


def test_who_came_before_the_crowd_is_found_again(resources: Resources) -> None:
    """Prevents: a page without rare keys, since it came first, that has no place in its bands any more."""
    kafka, judge = Kafka(), build(DedupConfig(prefix="old"), resources)
    judge.begin({})
    kafka.judge(judge, placed(crowd(1, 100, 0.8).pages), size=5)
    early = [record for record in kafka.records() if record.bands and not record.rare]
    assert 5 < len(early) < 50
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, DedupConfig())
    server = Server(resources.redis, DedupConfig())
    made = resources.redis.get(key(DedupConfig(), 0, "generation"))
    index = RedisIndex(server, DedupConfig(), lambda: made)
    for record in early:
        keys = unpack_keys(record.bands).reshape(-1, 1)
        found = index.meet([(0.0, 0, 1)] * len(keys), keys)
        assert all(record.uid in met.uids for met in found)


def test_what_was_not_committed_is_judged_as_new(resources: Resources) -> None:
    """Its verdicts were never seen; it comes again from Kafka."""
    config, kafka = DedupConfig(), Kafka()
    judge = build(config, resources)
    judge.begin({})
    documents = placed(many(range(4)))
    done, lost = documents[:200], documents[200:260]
    kafka.judge(judge, done)
    first = said(judge(lost))
    resources.redis.flushall()
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, config)
    again = build(config, resources)
    again.begin({PLACE: kafka.offset})
    assert said(Kafka().judge(again, lost, len(lost))) == first


def test_it_replaces_what_is_under_its_prefix_and_nothing_else(resources: Resources) -> None:
    """The way out where topics were made anew: the old index goes, and an empty one begins."""
    config = DedupConfig(prefix="a*[b]")
    beside = [key(DedupConfig(prefix=name), 0, "documents") for name in ("dedup", "ab", "a*[b]c", "axb")]
    judge = build(config, resources)
    judge.begin({})
    Kafka().judge(judge, placed(many(range(1))))
    for name in beside:
        resources.redis.set(name, "of somebody else")
    assert rebuild(list, {}, resources, config).documents == 0
    assert documents_in(resources, config) == 0
    assert standing(resources, config).reached == {}
    assert all(resources.redis.get(name) == b"of somebody else" for name in beside)
    again = build(config, resources)
    again.begin({})
    assert {kind for _, kind, *_ in said(again(placed(many(range(1)))))} >= {"", "near_duplicate"}


def test_a_running_dedup_is_stopped_by_it(resources: Resources) -> None:
    """It would write into an index that is another one, under marks that know nothing of it."""
    judge, kafka, documents = build(DedupConfig(), resources), Kafka(), placed(many(range(2)))
    judge.begin({})
    kafka.judge(judge, documents[:50])
    rebuild(kafka.records, {PLACE: 50}, resources, DedupConfig())
    with pytest.raises(ConfigurationError, match="emptied or replaced while dedup ran"):
        judge(documents[50:])


def test_one_that_was_killed_is_refused_and_can_be_run_again(
    server: RedisServer, resources: Resources
) -> None:
    """Prevents: half an index that is taken for a whole one."""
    config, kafka = DedupConfig(), Kafka()
    judge = build(config, resources)
    judge.begin({})
    kafka.judge(judge, placed(many(range(2))))

    def dying() -> Iterator[DedupRecord]:
        yield from kafka.records()[:100]
        server.kill()
        yield from kafka.records()[100:]

    with pytest.raises(DependencyDown):
        rebuild(dying, {PLACE: kafka.offset}, resources, config)
    server.start()
    resources.redis.connection_pool.disconnect()
    assert standing(resources, config).made == [REBUILDING]
    for offsets in ({}, {PLACE: kafka.offset}):
        with pytest.raises(ConfigurationError, match="being rebuilt"):
            build(config, resources).begin(offsets)
    with pytest.raises(ConfigurationError, match="another rebuild"):
        rebuild(kafka.records, {PLACE: kafka.offset}, resources, config)
    resources.redis.delete(key(config, 0, "rebuild"))  # as a minute does
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, config)
    build(config, resources).begin({PLACE: kafka.offset})


def test_a_log_of_another_layout_is_refused(resources: Resources) -> None:
    kafka, judge = Kafka(), build(DedupConfig(), resources)
    judge.begin({})
    kafka.judge(judge, placed(many(range(1))))
    with pytest.raises(ConfigurationError, match="bands"):
        rebuild(kafka.records, {}, resources, DedupConfig(bands=20, prefix="other"))
    old = kafka.records()
    for record in old:
        record.layout = 1
    with pytest.raises(ConfigurationError, match="layout 1"):
        rebuild(lambda: old, {}, resources, DedupConfig())


def test_a_server_that_would_forget_is_refused(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        resources = Resources(Settings(redis=RedisSettings(url=server.url)))
        with pytest.raises(ConfigurationError, match="appendonly"):
            rebuild(list, {}, resources, DedupConfig())
    finally:
        server.stop()


def test_the_log_costs_what_it_should(resources: Resources) -> None:
    """Entry 180, bands 72, exact 8, two uids 16; the rest is Kafka's and deaths. Random: incompressible."""
    kafka, judge = Kafka(), build(DedupConfig(), resources)
    judge.begin({})
    documents = placed(many(range(6)))
    kafka.judge(judge, documents)
    records = kafka.records()
    crowded = [record for record in records if record.sketch]  # chains that are long; 500 bytes each
    assert 0 < len(crowded) < 0.2 * len(documents)
    for record in crowded:
        record.sketch = b""
    size = sum(record.ByteSize() + 8 + 8 for record in records)  # key, and what Kafka adds to a record
    assert size / len(documents) < 340


def kept(config: DedupConfig, resources: Resources, records: Sequence[DedupRecord]) -> list[list[int]]:
    """Under each band key of these documents, whom the index keeps there."""
    made = resources.redis.get(key(config, 0, "generation"))
    index = RedisIndex(Server(resources.redis, config), config, lambda: made)
    keys = np.unique(unpack_keys(b"".join(record.bands for record in records)))
    met = index.meet([(0.0, 0, 1)] * len(keys), keys.reshape(-1, 1))
    return [sorted(found.uids) for found in met]


def test_a_crowd_is_made_again(resources: Resources) -> None:
    """Prevents: rare keys and long sketches that are not in the log, so that copies in crowds pass; and other
    founders than there were, where partitions are read side by side.
    """
    made = crowd(1, 400, 0.72, pairs=60, twin=0.89)
    old, new = DedupConfig(prefix="old"), DedupConfig(prefix="new")
    judge, kafka = build(old, resources), Kafka()
    judge.begin({})
    documents = placed(made.pages)
    kafka.judge(judge, documents[:280])
    judge(documents[280:300])  # and is killed before it commits
    kafka.judge(judge, documents[280:300])
    rebuild(kafka.records, {PLACE: kafka.offset}, resources, new)
    records = [record for record in kafka.records() if record.bands]
    assert {bool(record.late_bands) for record in records} == {True, False}
    assert sum(record.late_rare for record in records) > 5
    assert kept(new, resources, records) == kept(old, resources, records)
    again = build(new, resources)
    again.begin({PLACE: kafka.offset})
    expected = said(Kafka().judge(judge, documents[300:]))
    assert sum(kind == "near_duplicate" for _, kind, *_ in expected) > 5
    assert said(Kafka().judge(again, documents[300:])) == expected


def test_the_layout_that_it_is_made_by_is_that_of_the_river(
    empty_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a newer version that asks for a rebuild, and asks for it again after each."""
    address = journal_url(tmp_path / "journal")
    monkeypatch.setenv("CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS", address)
    monkeypatch.setenv("CORPUSWORKS_REDIS__URL", empty_server.url)
    monkeypatch.setenv("CORPUSWORKS_STORE_URL", tmp_path.as_uri())
    topology = Topology.load(None, bucket_names(None))
    with closed(address):
        agreement.make(load_settings(), topology)
        monkeypatch.setenv("CORPUSWORKS_UNITS__DEDUP__BANDS", "10")
        with pytest.raises(ConfigurationError, match="dedup rebuild"):
            agreement.make(load_settings(), topology)
        done = CliRunner().invoke(command_for(["dedup", "rebuild"]), ["dedup", "rebuild", "--yes"])
        assert done.exit_code == 0, done.output
        agreement.make(load_settings(), topology)
