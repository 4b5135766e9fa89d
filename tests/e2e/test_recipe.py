"""`recipe simulate --from` a river that runs: what waits in its pools counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts import Document
from services.runtime.loops.transaction import Produce, Transactions
from tests.e2e.commands import ask
from tests.e2e.home import home

pytestmark = pytest.mark.stack

LENGTHS = {"zh": 300, "en": 500, "code": 100}


def test_the_pools_of_a_river_that_runs_are_read_where_they_are(tmp_path: Path) -> None:
    """Prevents a simulation that knows nothing before the first part is sealed."""
    with home(tmp_path / "out") as river:
        messages = [
            Produce(
                f"pool.{bucket}",
                Document(
                    uid=100 * number + n, id=f"{bucket}{n}", bucket=bucket, num_tokens=length
                ).SerializeToString(),
                key=bytes([number, n]),
                partition=n % 2,
            )
            for number, (bucket, length) in enumerate(LENGTHS.items(), 1)
            for n in range(20)
        ]
        transactions = Transactions(river.settings, "test", "test")
        transactions.commit(messages, {}, None)
        transactions.reset()
        done = ask("recipe", "simulate", "--from", river.out, "--flush", "--json")
    assert done.code == 0, done.err
    phase = json.loads(done.out)["phases"][0]
    assert {name: use["tokens"] for name, use in phase["buckets"].items() if use["tokens"]} == {
        name: 20 * length for name, length in LENGTHS.items()
    }
