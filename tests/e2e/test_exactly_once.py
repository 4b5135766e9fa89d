"""Documents survive kills of every process, and none gets into the parts twice. More of it: tests/soak."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from services.ledger import reconcile, take_account
from services.ledger.proof import prove
from services.runtime import Resources
from services.sink.parts import list_parts, verify
from tests.corpus import write_jsonl
from tests.e2e.home import Home, home, topology
from tests.e2e.replay import undisturbed_parts

# Small batches and parts: many transactions and seals for the kills to fall into.
SETTINGS = {
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "20000",
    "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": "100000",
    "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "6",
}


def _torment(
    river: Home, kills: int, random_: random.Random, among: Collection[str] = (), kinds: int = 1
) -> None:
    """Kill services at random moments, until there were so many kills, and of so many services.

    Raises ProcessFailed when one dies by itself.
    """
    while len(river.kills) < kills or len(set(river.kills)) < kinds:
        time.sleep(random_.uniform(0.1, 1.0))
        river.river.check()
        river.kill_service(random_, among)


@pytest.mark.timeout(400)
def test_nothing_is_lost_or_doubled_when_everything_is_killed(tmp_path: Path) -> None:
    """Prevents: a crash window in any service, the broker's or Redis's recovery, or the sink's sealing."""
    random_ = random.Random(20261125)
    first = write_jsonl(tmp_path / "first.jsonl", 600, seed=1)
    second = write_jsonl(tmp_path / "second.jsonl", 600, seed=2)
    with home(tmp_path / "out", SETTINGS) as river:
        river.river.start()
        reading = [river.river.ingest([str(first)])]
        _torment(river, 2, random_)
        assert river.stack.kafka is not None
        assert river.stack.redis is not None
        river.stack.kafka.kill()
        _torment(river, 4, random_)
        river.stack.redis.kill()
        while not reading[0].over:
            time.sleep(0.1)
        reading.append(river.river.ingest([str(second)]))
        _torment(river, 6, random_, kinds=3)
        river.settle(reading)
        river.river.stop()

        assert len(set(river.kills)) >= 3, river.kills
        account = take_account(river.settings, topology())
        found = reconcile(account)
        assert not found, (
            f"missing {list(found.missing.values())[:5]}, twice {list(found.twice.values())[:5]}"
        )
        assert prove(river.settings, topology()), "and by tallies"
        assert account.raw.total() == 1200
        assert account.parts.total() > 950, account.drops
        assert account.parts.total() + account.drops.total() == 1200
        store = Resources(river.settings).store
        assert verify(store) == []
        undisturbed = undisturbed_parts(river.settings, tmp_path / "again")
        assert {part.name: dict(part.sha256) for part in list_parts(store)} == undisturbed
        assert len(undisturbed) > 5


@pytest.mark.soak
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
        _torment(river, 10, random_, among=("tokenizer", "mixer", "sink"))
        river.settle(reading)
        river.river.stop()
        found = reconcile(take_account(river.settings, topology()))
        proof = prove(river.settings, topology())
    assert found.twice, "documents should have been repeated"
    assert not proof
    assert found.twice.keys() <= proof.found.twice.keys()
