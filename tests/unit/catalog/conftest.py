"""A river of sealed parts for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.runtime import load_settings
from tests.unit.catalog.river import LANES, CountingStore, River
from tests.unit.runtime.conftest import forget


@pytest.fixture
def river(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> River:
    """Nothing is sealed yet."""
    forget(monkeypatch)
    monkeypatch.setattr("services.runtime.loops.lane._LOOK_S", 0)
    return River(load_settings(lanes=LANES, partitions=1), CountingStore((tmp_path / "store").as_uri()))
