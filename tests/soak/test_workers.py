"""Stages that are given processes, and lose them, while documents flow."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from services.ledger import reconcile, take_account
from tests.corpus import write_jsonl
from tests.e2e.home import home, topology

SETTINGS = {"CORPUSWORKS_BATCH_MAX_DOCUMENTS": "100"}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_nothing_is_lost_while_processes_come_and_go(tmp_path: Path, seed: int) -> None:
    """Prevents: partitions that nobody holds, and documents that two processes hold at once."""
    random_ = random.Random(seed)
    source = write_jsonl(tmp_path / "made.jsonl", 6000, seed=seed)
    with home(tmp_path / "out", SETTINGS) as river:
        river.river.start()
        reading = [river.river.ingest([str(source)])]
        moves = 0
        while not reading[0].over or any(stage.waiting for stage in list(river.river.stages())[1:5]):
            river.river.resize(random_.choice(river.river.divisible), random_.randint(1, 3))
            moves += 1
            time.sleep(random_.uniform(0.5, 3.0))
        begun = time.monotonic()
        for name in river.river.divisible:
            river.river.resize(name, 1)
        river.settle(reading)
        river.river.stop()
        account = take_account(river.settings, topology())
    assert moves >= 5
    assert not reconcile(account)
    assert account.raw.total() == 6000
    assert time.monotonic() - begun < 120
