"""Documents survive kills of every process, and none gets into the parts twice."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from contracts import Document, Flush
from services.ledger import reconcile, take_account
from services.runtime import Message, Resources
from services.runtime.clients.log import Log
from services.sink import SERVICE as SINK
from services.sink import SinkConfig
from services.sink.parts import list_parts, verify
from tests.corpus import write_jsonl
from tests.e2e.home import Home, home, topology

# Small batches and parts: many transactions and seals for the kills to fall into.
SETTINGS = {
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "30000",
    "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "100000",
    "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6",
}
SINK_CONFIG = SinkConfig(seal_tokens=30000, seal_age_s=100000)


def _torment(river: Home, kills: int, random_: random.Random, among: Collection[str] = ()) -> None:
    """Kill services at random moments, until there were so many kills."""
    while len(river.kills) < kills:
        time.sleep(random_.uniform(0.1, 1.0))
        river.kill_service(random_, among)


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_when_everything_is_killed(tmp_path: Path) -> None:
    """Prevents: a crash window in any service, the broker's or Redis's recovery, or the sink's sealing."""
    random_ = random.Random(20261125)
    first = write_jsonl(tmp_path / "first.jsonl", 2500, seed=1)
    second = write_jsonl(tmp_path / "second.jsonl", 2500, seed=2)
    with home(tmp_path / "out", SETTINGS) as river:
        river.river.start()
        reading = [river.river.ingest([str(first)])]
        _torment(river, 8, random_)
        assert river.stack.kafka is not None
        assert river.stack.redis is not None
        river.stack.kafka.kill()
        _torment(river, 14, random_)
        river.stack.redis.kill()
        while not reading[0].over:
            time.sleep(0.1)
        reading.append(river.river.ingest([str(second)]))
        _torment(river, 20, random_)
        river.stack.kafka.kill()
        _torment(river, 27, random_)
        river.settle(reading)
        river.river.stop()

        assert set(river.kills) == {*("ingest", "parse", "rules", "classifier", "dedup", "mixer", "sink")}, (
            river.kills
        )
        account = take_account(river.settings, topology())
        found = reconcile(account)
        assert not found, (
            f"missing {list(found.missing.values())[:5]}, twice {list(found.twice.values())[:5]}"
        )
        assert account.raw.total() == 5000
        assert account.parts.total() > 4000, account.drops
        assert account.parts.total() + account.drops.total() == 5000
        _assert_parts_are_those_of_an_undisturbed_sink(river, tmp_path / "again")


def _assert_parts_are_those_of_an_undisturbed_sink(river: Home, folder: Path) -> None:
    store = Resources(river.settings).store
    assert verify(store) == []
    resources = Resources(river.settings.model_copy(update={"store_url": folder.as_uri()}))
    for key in store.list("vocabularies"):
        resources.store.put(key, store.get(key))
    for lane, messages in _lanes(river).items():
        task = SINK.build(SINK_CONFIG, resources, lane)
        task.restore([])
        task.feed(messages)
        while step := task.step(0.0, set()):
            if step.committed:
                step.committed()
    undisturbed = {part.name: dict(part.sha256) for part in list_parts(resources.store)}
    assert {part.name: dict(part.sha256) for part in list_parts(store)} == undisturbed
    assert len(undisturbed) > 10
    for name in undisturbed:
        for suffix in ("bin", "idx", "jsonl"):
            key = f"parts/{name}.{suffix}"
            assert store.get(key) == resources.store.get(key)


def _lanes(river: Home) -> dict[int, list[Message]]:
    lanes: dict[int, list[Message]] = {}
    with Log(river.settings) as log:
        for r in log.read_all("docs.mixed"):
            holds = Flush if dict(r.headers or ()).get("type") == b"Flush" else Document
            message = Message(r.topic, r.partition, r.offset, r.key, holds.FromString(r.value), r.timestamp)
            lanes.setdefault(r.partition, []).append(message)
    return lanes


@pytest.mark.timeout(400)
def test_without_transactions_the_same_kills_are_noticed(tmp_path: Path) -> None:
    """Prevents: an exactly-once test that would pass whatever the runtime did."""
    random_ = random.Random(7)
    source = write_jsonl(tmp_path / "first.jsonl", 1500, seed=3)
    command = [sys.executable, "-m", "tests.e2e.untransactional"]
    with home(tmp_path / "out", SETTINGS, command) as river:
        river.river.start()
        reading = [river.river.ingest([str(source)])]
        # parse and rules would only make copies, which the index recognises
        _torment(river, 10, random_, among=("dedup", "mixer", "sink"))
        river.settle(reading)
        river.river.stop()
        found = reconcile(take_account(river.settings, topology()))
    assert found.twice, "documents should have been repeated"
