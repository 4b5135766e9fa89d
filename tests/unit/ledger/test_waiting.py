"""What waits: pools and what is mixed and not sealed, and nothing else."""

from __future__ import annotations

import pytest

from services.ledger.waiting import read_waiting
from tests.unit.ledger.test_interrupted import River, account_of


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_account_finds_waiting(seed: int) -> None:
    """Prevents a simulation over documents that are in parts already, or over none of those that wait."""
    river = River(seed)
    river.ingest(range(1, 200), "file:///a")
    for _ in range(80):
        river.step()
    found = [(d.uid, d.bucket) for d in read_waiting(river, river, river.topology)]  # type: ignore[arg-type]
    assert dict(found) == account_of(river, {}).waiting
    assert len(found) == len(dict(found)) > 0
    while river.step():
        pass
    assert list(read_waiting(river, river, river.topology)) == []  # type: ignore[arg-type]
