"""A cluster of three brokers with replication 3, of which one is killed again and again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from services.ledger import reconcile, take_account
from services.ledger.proof import prove
from services.runtime.clients.kafka import connection
from services.runtime.settings import KafkaSettings
from tests.corpus import write_jsonl
from tests.e2e.home import home, topology
from tests.integration.cluster import Cluster

pytestmark = [pytest.mark.stack, pytest.mark.soak]
KILLS = 12
SEED = 20261126


@pytest.mark.timeout(1500)
def test_a_broker_of_three_is_killed_again_and_again(tmp_path: Path) -> None:
    """Prevents: a document lost or twice where a leader falls; a river that waits for the broker it knew."""
    random_ = random.Random(SEED)
    source = write_jsonl(tmp_path / "made.jsonl", 3000, seed=31)
    with Cluster(tmp_path / "cluster") as cluster:
        settings = {
            f"CORPUSWORKS_KAFKA__{name.upper()}": str(value) for name, value in cluster.access.items()
        }
        settings |= {
            "CORPUSWORKS_KAFKA__REPLICATION_FACTOR": "3",
            "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100",
            "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "30000",
        }
        with home(tmp_path / "out", settings) as river:
            assert river.stack.kafka is None
            _assert_two_must_have_it(river.settings.kafka)
            river.river.start()
            reading = [river.river.ingest([str(source)])]
            for _ in range(KILLS):
                time.sleep(random_.uniform(0.5, 4.0))
                node = random_.choice(cluster.nodes)
                former = node.pid
                node.kill()
                while node.pid in (None, former):
                    time.sleep(0.05)
                node.wait(120)  # the next may only fall when this one is back: two of three must be there
                cluster.wait()
            river.settle(reading, timeout_s=600)
            river.river.stop()
            account = take_account(river.settings, topology())
            found = reconcile(account)
            assert prove(river.settings, topology())
    assert not found, f"missing {list(found.missing.values())[:5]}, twice {list(found.twice.values())[:5]}"
    assert account.raw.total() == 3000
    assert account.parts.total() + account.drops.total() == 3000


def _assert_two_must_have_it(settings: KafkaSettings) -> None:
    admin = KafkaAdminClient(**connection(settings))
    try:
        described = admin.describe_topics(["docs.raw", "shards.sealed"])
        asked = ConfigResource(ConfigResourceType.TOPIC, "docs.raw")
        configured = admin.describe_configs([asked])["topic"]["docs.raw"]
    finally:
        admin.close()
    assert {len(p["replica_nodes"]) for topic in described for p in topic["partitions"]} == {3}
    assert configured["min.insync.replicas"]["value"] == "2"
