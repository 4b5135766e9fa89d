"""The scorer's ranks in a real Redis or Valkey: shared by replicas, bounded, away, full of other things."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contracts import Document, Rejection
from services.runtime import ConfigurationError, DependencyDown, Resources, load_settings
from services.runtime.process.frames import Item
from services.runtime.process.worker import Units
from services.runtime.topology import Topology
from services.scorer import SERVICE
from services.scorer.config import ScorerConfig
from services.scorer.group import Group, Ranked, State, rank
from services.scorer.redis_store import RedisStore
from services.scorer.store import Fates, MemoryStore
from tests import tiny_model
from tests.scoring import KEEP, TARGETS, batches, judge, kept_shares, scorer, stream, true_ranks
from tests.servers import RedisServer

REPLICAS = 4
EXPIRE_S = 3600


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes")
    yield server
    server.stop()


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    with running.client() as client:
        client.flushall()
    return running


def store(server: RedisServer) -> RedisStore:
    return RedisStore(server.client(), "scorer", EXPIRE_S)


def states(server: RedisServer) -> dict[str, State]:
    with server.client() as client:
        keys = [key for key in client.scan_iter() if b":kept:" not in key]
        return {key.decode(): State.load(client.get(key)) for key in keys}


def test_replicas_share_one_rank_and_keep_their_target(server: RedisServer) -> None:
    """20,000 documents, batches of 1 to 900, four replicas at once: none is lost, all at their targets."""
    documents = stream(20_000)
    waiting = list(batches(documents))
    verdicts: dict[int, list[object]] = {}
    lock = threading.Lock()

    def work(_: int) -> None:
        replica = scorer(store(server), keep=KEEP)
        while True:
            with lock:
                if not waiting:
                    return
                number = len(waiting)
                batch = waiting.pop()
            verdicts[number] = replica(batch)  # type: ignore[assignment]

    with ThreadPoolExecutor(REPLICAS) as pool:
        list(pool.map(work, range(REPLICAS)))
    found = [verdict for number in sorted(verdicts) for verdict in verdicts[number]]
    assert len(found) == len(documents)
    assert kept_shares(documents, found) == pytest.approx(TARGETS, abs=0.01)  # type: ignore[arg-type]
    counts = {key: state.sketch.count for key, state in states(server).items()}
    assert sum(counts.values()) == len(documents)
    assert set(counts) == {f"{{scorer}}:judge@1:en/prose/{name}" for name in TARGETS}
    for name in TARGETS:
        truth = true_ranks([each.features["judge.quality"] for each in documents if each.category == name])
        sketch = states(server)[f"{{scorer}}:judge@1:en/prose/{name}"].sketch
        assert max(abs(sketch.standing(score).rank - rank) for score, rank in truth.items()) < 0.01


def test_a_replay_changes_nothing(server: RedisServer) -> None:
    """Prevents a document from being in a part and rejected as well, since thresholds move while it waits.

    The replay is by other replicas, in other batches; the account that counts sees nothing of it.
    """
    documents = stream(10_000)
    first = judge([scorer(store(server), keep=KEEP) for _ in range(2)], documents, seed=1)
    before = {key: state.data for key, state in states(server).items()}
    again = judge([scorer(store(server), keep=KEEP) for _ in range(2)], documents, seed=2)
    assert [type(verdict) for verdict in again] == [type(verdict) for verdict in first]
    assert {key: state.data for key, state in states(server).items()} == before


def test_a_document_has_one_fate_over_all_uids(server: RedisServer) -> None:
    """Prevents two documents from sharing a field of Redis: uids that differ in one bit, anywhere."""
    rng = random.Random(0)
    group = Group("judge@1", "en", "prose", "web")
    base = rng.getrandbits(64)
    uids = [base, *(base ^ 1 << bit for bit in range(64)), *(rng.getrandbits(64) for _ in range(5000))]
    kept = [rng.random() < 0.5 for _ in uids]
    seen: list[Fates] = []

    def change(_: Group, old: State | None, fates: Fates) -> tuple[State, Ranked]:
        seen.append(fates)
        scores = np.arange(float(len(fates)))
        state, ranked = rank(scores, scores * 0, fates, old, share=0.5, k=512, min_below=0)
        return state, replace(ranked, kept=np.array(kept))

    for _ in range(2):
        store(server).update({group: uids}, change)
    assert seen == [[None] * len(uids), kept]


def test_it_is_the_same_as_in_memory(server: RedisServer) -> None:
    """Prevents `apply`, which ranks in memory, from ranking otherwise than the river."""
    there, here = stream(2_000), stream(2_000)
    verdicts = judge([scorer(store(server), keep=KEEP)], there)
    others = judge([scorer(MemoryStore(), keep=KEEP)], here)
    assert max(abs(one.rank - other.rank) for one, other in zip(there, here, strict=True)) < 0.02
    assert kept_shares(there, verdicts) == pytest.approx(kept_shares(here, others), abs=0.01)


def test_who_was_overtaken_ranks_again_with_what_the_other_wrote(server: RedisServer) -> None:
    """Prevents the later of two replicas from overwriting the batch of the earlier one."""
    group = Group("judge@1", "en", "prose", "web")
    mine, others = stream(300), stream(500, seed=1)
    for each in [*mine, *others]:
        each.category = "web"
    tries = []

    class Overtaken(RedisStore):
        def update(self, batch, change):  # type: ignore[no-untyped-def]
            def slowly(group: Group, old: State | None, fates: Fates) -> tuple[State, Ranked]:
                tries.append(old.sketch.count if old else 0)
                if len(tries) == 1:
                    scorer(store(server))(others)
                return change(group, old, fates)

            return super().update(batch, slowly)

    scorer(Overtaken(server.client(), "scorer", EXPIRE_S))(mine)
    assert tries == [0, 500]
    (state,) = states(server).values()
    assert (state.sketch.count, state.account.seen) == (800, 800)
    assert f"{{scorer}}:{group.source}:en/prose/web" in states(server)


def test_who_is_always_overtaken_waits_for_the_runtime(server: RedisServer) -> None:
    """Prevents an endless loop; the batch comes again after a pause."""
    documents = stream(10)

    class Overtaken(RedisStore):
        def update(self, batch, change):  # type: ignore[no-untyped-def]
            def slowly(group: Group, old: State | None, fates: Fates) -> tuple[State, Ranked]:
                scorer(store(server))(stream(10))
                return change(group, old, fates)

            return super().update(batch, slowly)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.scorer.redis_store._LONGEST_PAUSE_S", 0.001)
        with pytest.raises(DependencyDown, match="20 times in a row"):
            scorer(Overtaken(server.client(), "scorer", EXPIRE_S))(documents)


def test_the_size_is_bounded_and_old_versions_go(server: RedisServer) -> None:
    """Prevents the state from growing with the river, and models of long ago from staying for ever."""
    for version in (1, 2):
        judge([scorer(store(server))], stream(10_000, version=version))
    with server.client() as client:
        sizes = {key: client.strlen(key) for key in client.scan_iter() if b":kept:" not in key}
        assert len(sizes) == 2 * len(TARGETS)
        assert max(sizes.values()) < 13_000
        assert all(EXPIRE_S - 60 < client.ttl(key) <= EXPIRE_S for key in sizes)


def test_a_redis_that_is_away_is_a_dependency_that_is_down(tmp_path: Path) -> None:
    """Prevents documents from becoming dead letters while Redis restarts; then it goes on where it was."""
    server = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    judge_ = scorer(store(server))
    judge_(stream(500))
    server.kill()
    try:
        with pytest.raises(DependencyDown, match="redis does not answer"):
            judge_(stream(500, seed=1))
        server.start()
        assert len(judge_(stream(100, seed=1))) == 100
        assert sum(state.sketch.count for state in states(server).values()) == 600
    finally:
        server.stop()


def test_a_full_redis_is_a_dependency_that_is_down(server: RedisServer) -> None:
    """Prevents a server without memory from costing documents."""
    with server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(DependencyDown, match="redis"):
                scorer(store(server))(stream(100))
        finally:
            client.config_set("maxmemory", 0)


def test_what_another_program_wrote_is_not_read_as_ranks(server: RedisServer) -> None:
    """Prevents another program's key from being overwritten, or from stopping the service without a word."""
    key = "{scorer}:judge@1:en/prose/web"
    with server.client() as client:
        client.set(key, random.Random(0).randbytes(2000))
        with pytest.raises(ConfigurationError, match=r"web .*units\.scorer\.prefix"):
            scorer(store(server))(stream(100))
        assert len(client.get(key)) == 2000


def test_both_judges_in_one_process_as_the_river_runs_them(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a chain that cannot be built from the settings alone; a drop says why and keeps its text."""
    tiny_model.make(tmp_path)
    monkeypatch.setenv("CORPUSWORKS_REDIS_URL", server.url)
    monkeypatch.setenv("CORPUSWORKS_TRITON_URL", "onnx:")
    for unit in ("CLASSIFIER", "SCORER"):
        monkeypatch.setenv(f"CORPUSWORKS_UNITS__{unit}__MODELS", str(tmp_path))
    monkeypatch.setenv("CORPUSWORKS_UNITS__SCORER__KEEP", '[{"share": 0.5}]')
    resources = Resources(load_settings())
    river = Topology.load(None, ["zh", "en"])
    units = Units(river.chain(["classifier", "scorer"]), river.buckets, resources)
    documents = [Document(uid=n + 1, text=f"tide {n}", format="prose", language="en") for n in range(300)]
    items = [Item(each.SerializeToString(), "docs.clean", 0, n) for n, each in enumerate(documents)]
    outcomes = units.judge(items)
    again = units.judge(items)
    resources.close()
    assert [each.outcome for each in again] == [each.outcome for each in outcomes]
    assert {each.topic for each in outcomes} == {"docs.scored", "docs.rejected"}
    dropped = [Rejection.FromString(each.value) for each in outcomes if each.outcome == "drop"]
    assert len(dropped) == pytest.approx(150, abs=30)
    assert {(each.unit, each.reason) for each in dropped} == {("scorer", "low_rank")}
    assert all(each.measured < each.threshold and each.document.text for each in dropped)


def test_the_unit_takes_its_redis_from_the_settings(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents the service from ranking in memory, each replica for itself."""
    monkeypatch.setenv("CORPUSWORKS_REDIS_URL", server.url)
    resources = Resources(load_settings())
    for seed in range(2):
        unit = SERVICE.build(ScorerConfig(prefix="mine"), resources)
        unit(stream(300, seed))
    resources.close()
    found = states(server)
    assert sum(state.sketch.count for state in found.values()) == 600
    assert all(key.startswith("{mine}:judge@1:") for key in found)
