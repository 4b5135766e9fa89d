"""The outcome of dedup is one for each order of arrival and number of replicas, on a server and on a cluster.

Chains of near-duplicates, copies and loners, each document once, are dealt out to replicas that race, lose
their verdicts by chance, and judge again. In the end those live, and are kin, that the rule says of the set.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts import Document
from services.dedup import DedupConfig, build
from services.runtime import Resources, Settings
from services.runtime.settings import RedisSettings
from tests.contract.test_dedup_index import work
from tests.contract.test_redis_cluster import Cluster
from tests.near_duplicates import corpus, keys, least_kin, standing, survivors
from tests.servers import RedisServer

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

CORPORA, ORDERS, CRASH = 10, 3, 0.2  # of some 90 documents each
CONFIG = DedupConfig(shards=6)


@pytest.fixture(scope="module", params=["one server", "cluster"])
def resources(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Resources]:
    folder = tmp_path_factory.mktemp("redis")
    if request.param == "cluster":
        cluster = Cluster(folder)
        yield cluster.resources()
        cluster.stop()
        return
    server = RedisServer(folder, "--appendonly", "yes")
    yield Resources(Settings(redis=RedisSettings(url=server.url)))
    server.stop()


def dealt(documents: list[Document], replicas: int, seed: int) -> list[list[Document]]:
    """In another order each time, as the partitions of as many replicas hold them."""
    copies = [Document.FromString(each.SerializeToString()) for each in documents]
    random.Random(seed).shuffle(copies)
    parts = [copies[number::replicas] for number in range(replicas)]
    for partition, part in enumerate(parts):
        for offset, each in enumerate(part):
            each.position.partition, each.position.offset = partition, offset
    return parts


@pytest.mark.parametrize("replicas", [1, 3, 8])
def test_each_order_ends_alike(resources: Resources, replicas: int) -> None:
    documents = [each for seed in range(CORPORA) for each in corpus(seed + 500)]
    lives, kin = survivors(documents, CONFIG), least_kin(documents, CONFIG)
    assert 0.2 < len(lives) / len(documents) < 0.8
    for order in range(ORDERS):
        config = DedupConfig(shards=CONFIG.shards, prefix=f"dedup{replicas}x{order}")
        judges = [build(config, resources) for _ in range(replicas)]
        for judge in judges:
            judge.begin({})
        parts = dealt(documents, replicas, order)
        with ThreadPoolExecutor(replicas) as pool:
            results = list(pool.map(work, judges, parts, range(replicas), [CRASH] * replicas))
        outcomes = [pair for result in results for pair in result]
        assert standing(outcomes) == lives
        found = keys([verdict for _, verdict in outcomes])
        assert {uid: kin[uid] for uid in found} == found
        for judge in judges:
            judge.close()
