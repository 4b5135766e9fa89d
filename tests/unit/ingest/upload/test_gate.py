"""The gate: what waits in the river, and quotas of a day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ingest.upload.config import UploadConfig
from services.ingest.upload.gate import Gate
from services.ingest.upload.keys import Key, Keys, digest
from services.ingest.upload.refusal import Refusal


class River:
    """In the place of keeper and states: so much waits."""

    def __init__(self) -> None:
        self.behind = self.files = 0
        self.spent = [0, 0]
        self.gauges: dict[str, float] = {}

    def lag(self) -> int:
        return self.behind

    def waiting(self) -> int:
        return self.files

    def gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value

    def spend(self, key: str, day: str, num_bytes: int, documents: int) -> tuple[int, int]:
        self.spent = [self.spent[0] + num_bytes, self.spent[1] + documents]
        return self.spent[0], self.spent[1]


@pytest.fixture
def river() -> River:
    return River()


@pytest.fixture
def gate(tmp_path: Path, river: River) -> Gate:
    path = tmp_path / "keys.yaml"
    path.write_text(yaml.safe_dump([{"name": "team", "sha256": digest("secret")}]))
    either: Any = river
    config = replace(UploadConfig(), max_lag=100, max_waiting=10, retry_after_s=7)
    return Gate(config, either, Keys(str(path)), either)


def refusal(gate: Gate, key: Key, num_bytes: int = 1) -> Refusal:
    with pytest.raises(Refusal) as refused:
        gate.admit(key, num_bytes)
    return refused.value


@pytest.mark.parametrize(
    ("behind", "files", "says"), [(101, 0, "101 documents wait"), (0, 11, "11 files wait")]
)
def test_a_river_that_is_behind_takes_nothing_in(
    gate: Gate, river: River, behind: int, files: int, says: str
) -> None:
    """Prevents a flood that fills Kafka while parse is down; and a gate that stays shut."""
    key = gate.key("Bearer secret")
    gate.admit(key, 1)
    river.behind, river.files = behind, files
    gate.look()
    found = refusal(gate, key)
    assert (found.status, found.retry_after_s, found.outcome) == (429, 7, "throttled")
    assert says in found.error
    assert gate.full
    river.behind, river.files = 100, 10
    gate.look()
    gate.admit(key, 1)
    assert river.gauges == {"upload_waiting_files": 10}


def test_a_quota_is_of_bytes_and_of_documents(gate: Gate, river: River) -> None:
    """Prevents a request that is refused and counted all the same, and one document too many for ever."""
    poor = Key("poor", bytes_a_day=100, documents_a_day=5)
    gate.admit(poor, 100)
    assert "100 bytes a day" in refusal(gate, poor).error
    assert river.spent == [100, 0]
    gate.settle(poor, 100, 40)
    gate.admit(poor, 60)
    gate.refund(poor, 60)
    river.spend("poor", "", 0, 6)
    assert "5 documents a day" in refusal(gate, poor).error


@pytest.mark.parametrize("header", [None, "", "secret", "Bearer", "Bearer wrong", "Basic secret"])
def test_only_a_key_that_is_known_comes_in(gate: Gate, header: str | None) -> None:
    """Prevents a stranger, and a key in another dress."""
    with pytest.raises(Refusal) as refused:
        gate.key(header)
    assert refused.value.status == 401
    assert gate.key("bearer  secret ").name == "team"
