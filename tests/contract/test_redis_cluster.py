"""The dedup index over a real Redis Cluster of three nodes: the same outcome as over one server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from contracts import Document
from services.dedup import DedupConfig, Deduplicator, build
from services.dedup.cool import Cooler
from services.dedup.rebuild import documents_in
from services.runtime import ConfigurationError, DependencyDown, Drop, Resources, Settings, Verdict
from services.runtime.settings import RedisSettings
from tests.dedup_kafka import Kafka, placed
from tests.near_duplicates import commit, corpus, document, memory_judge, prose, standing, survivors
from tests.servers import RedisServer
from tests.template_pages import crowd

SLOTS = [(0, 5460), (5461, 10922), (10923, 16383)]
CONFIG = DedupConfig(shards=8)  # of which each node has some


class Cluster:
    """Three nodes without replicas."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [
            RedisServer(
                folder / str(number), "--cluster-node-timeout", "1000", "--appendonly", "yes",
                "--appendfsync", "always", cluster=True,
            )
            for number in range(3)
        ]  # fmt: skip
        for node, slots in zip(self.nodes, SLOTS, strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
                for other in self.nodes:
                    if other is not node:
                        client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, other.bus)
        self.wait()

    def wait(self) -> None:
        """Until each node knows of all slots."""
        deadline = time.monotonic() + 60
        for node in self.nodes:
            while True:
                with suppress(redis.RedisError), node.client() as client:
                    info = client.execute_command("CLUSTER INFO")
                    text = str(info)
                    if "'cluster_state': 'ok'" in text and "'cluster_known_nodes': '3'" in text:
                        break
                assert time.monotonic() < deadline, "the cluster does not come up"
                time.sleep(0.05)

    def resources(self) -> Resources:
        """As a service would have it, from settings that name one node."""
        return Resources(Settings(redis=RedisSettings(url=self.nodes[0].url, cluster=True)))

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.stop()


@pytest.fixture
def empty_cluster(cluster: Cluster) -> Cluster:
    for node in cluster.nodes:
        with node.client() as client:
            client.flushall()
    return cluster


def documents() -> list[Document]:
    """Chains, copies, and pages of one template, each at its place in the input."""
    found = [*corpus(5), *crowd(1, 150, 0.72, pairs=20, twin=0.89).pages, *corpus(6)]
    for offset, each in enumerate(found):
        each.position.topic_id, each.position.offset = "routed", offset
    return found


def said(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    return [
        (type(v), v.reason if isinstance(v, Drop) else "", {(a.topic, a.key, str(a.value)) for a in v.also})
        for v in verdicts
    ]


def judged(judge: Deduplicator, batch: list[Document]) -> list[Verdict]:
    """As the runtime does it: again, since on a busy machine a node may take another for dead."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return list(judge(batch))
        except DependencyDown:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def judge_all(judge: Deduplicator, batches: Sequence[list[Document]]) -> list[Verdict]:
    verdicts = []
    for batch in batches:
        verdicts += judge(batch)
        commit(judge, batch[-1].position.offset + 1)
    return verdicts


def test_a_cluster_judges_as_one_server(empty_cluster: Cluster) -> None:
    """Every verdict and record alike, and each node has its part."""
    found = documents()
    batches = [found[start : start + 40] for start in range(0, len(found), 40)]
    judge = build(CONFIG, empty_cluster.resources())
    judge.begin({})
    copies = [[Document.FromString(each.SerializeToString()) for each in batch] for batch in batches]
    expected = said(judge_all(memory_judge(CONFIG), copies))
    assert said(judge_all(judge, batches)) == expected
    for node in empty_cluster.nodes:
        with node.client() as client:
            assert int(client.dbsize()) > 100  # type: ignore[arg-type]
    judge.close()


def test_its_cold_tier_lies_on_all_nodes(empty_cluster: Cluster) -> None:
    """Pages of filters as well as what is taken out of the full index."""
    resources = empty_cluster.resources()
    config = DedupConfig(shards=8, cold_documents=500_000)
    judge, kafka = build(config, resources), Kafka()
    judge.begin({})
    old = [document(uid, " ".join(prose(uid))) for uid in range(1, 41)]
    kafka.judge(judge, placed(old))
    cooler = Cooler(resources, config)
    assert cooler.move(kafka.records()) == 40
    cooler.close()
    assert documents_in(resources, config) == 0
    pages = []
    for node in empty_cluster.nodes:
        with node.client() as client:
            pages.append(len(list(client.scan_iter(match="dedup{*}:cold:[0-9]*"))))
    assert min(pages) > 0
    copies = [document(each.uid + 100, f"{each.text} again", 1.0) for each in old]
    verdicts = judge(placed(copies, 100))
    assert {each.reason for each in verdicts if isinstance(each, Drop)} == {"cold_duplicate"}
    assert sum(isinstance(each, Drop) for each in verdicts) > 35
    judge.close()


def test_kill_9_of_any_node_changes_nothing(empty_cluster: Cluster) -> None:
    """Its part of a batch is lost or not; the batch is judged again, over new connections."""
    found = documents()
    judge = build(CONFIG, empty_cluster.resources())
    judge.begin({})
    outcomes: list[tuple[Document, Verdict]] = []
    for number, start in enumerate(range(0, len(found), 40)):
        batch = found[start : start + 40]
        if number % 3 == 2:
            node = empty_cluster.nodes[number % len(empty_cluster.nodes)]
            node.kill()
            with pytest.raises(DependencyDown, match="redis"):
                judge(batch)
            node.start()
            empty_cluster.wait()
        outcomes += zip(batch, judged(judge, batch), strict=True)
        commit(judge, batch[-1].position.offset + 1)
    ordinary = [*corpus(5), *corpus(6)]
    uids = {each.uid for each in ordinary}
    assert standing(outcomes) & uids == survivors(ordinary, CONFIG)
    again = build(CONFIG, empty_cluster.resources())
    again.begin({("routed", 0): len(found)})
    reasons = {verdict.reason for verdict in again(found) if isinstance(verdict, Drop)}
    assert reasons == {"already_seen"}
    judge.close()
    again.close()


def test_a_slot_that_moves_is_followed(empty_cluster: Cluster) -> None:
    """As after a fail-over or a rebalance: MOVED, and the new node is asked."""
    judge = build(DedupConfig(shards=1, prefix="moving"), empty_cluster.resources())
    judge.begin({})
    with empty_cluster.nodes[0].client() as client:
        slot = int(client.execute_command("CLUSTER", "KEYSLOT", "moving{0}:generation:"))
    source = next(i for i, (low, high) in enumerate(SLOTS) if low <= slot <= high)
    target = (source + 1) % 3
    try:
        move(empty_cluster, slot, source, target)
        with pytest.raises(DependencyDown):
            judge(corpus(1)[:3])
        with pytest.raises(ConfigurationError, match=r"forgotten|empty|emptied|lost"):
            judge(corpus(1)[:3])  # the slot came without its keys, and that is noticed
    finally:
        move(empty_cluster, slot, target, source)
    judge.close()


def move(cluster: Cluster, slot: int, source: int, target: int) -> None:
    """Give an empty slot to another node; the keys that the source had are gone."""
    with cluster.nodes[target].client() as client:
        name = client.execute_command("CLUSTER", "MYID")
    with cluster.nodes[source].client() as client:
        for key in client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
            client.delete(key)
    for node in (cluster.nodes[target], *cluster.nodes):
        with node.client() as client:
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", name)
            if node is cluster.nodes[target]:
                client.execute_command("CLUSTER", "BUMPEPOCH")


def test_a_wrong_setting_is_said(empty_cluster: Cluster, tmp_path: Path) -> None:
    """Neither is waited for as for a server that is away."""
    alone = Resources(Settings(redis=RedisSettings(url=empty_cluster.nodes[0].url)))
    with pytest.raises(ConfigurationError, match="REDIS__CLUSTER=true"):
        build(CONFIG, alone).begin({})
    server = RedisServer(tmp_path, "--appendonly", "yes")
    try:
        wrong = Resources(Settings(redis=RedisSettings(url=server.url, cluster=True)))
        with pytest.raises(ConfigurationError, match="no cluster"):
            build(CONFIG, wrong).begin({})
    finally:
        server.stop()
