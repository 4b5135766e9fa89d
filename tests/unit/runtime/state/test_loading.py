"""A Redis that is just coming up: it answers, and says of itself that it keeps no file."""

from __future__ import annotations

from typing import Any

import pytest

from services.dedup import DedupConfig
from services.runtime import ConfigurationError, DependencyDown
from services.runtime.state import RedisMarks, Server
from services.runtime.state.fullness import read


class _Redis:
    """Answers INFO as told."""

    def __init__(self, **persistence: int) -> None:
        self._persistence = persistence

    def info(self, section: str) -> dict[str, Any]:
        return self._persistence if section == "persistence" else {}


def _examine(node: _Redis) -> None:
    config = DedupConfig()
    RedisMarks(Server(node, config), config)._examine([node])  # type: ignore[list-item]


def test_one_that_is_loading_is_waited_for() -> None:
    """Prevents: a service that ends for good because it met a Redis which had just been killed."""
    with pytest.raises(DependencyDown, match="loading"):
        _examine(_Redis(loading=1, aof_enabled=0))
    with pytest.raises(ConfigurationError, match="appendonly yes"):
        _examine(_Redis(loading=0, aof_enabled=0))


def test_one_that_is_loading_is_not_called_forgetful() -> None:
    """Prevents: an alert at each restart."""
    assert read({"aof_enabled": 0, "loading": 1})["redis_forgetful"] == 0.0
    assert read({"aof_enabled": 0, "loading": 0})["redis_forgetful"] == 1.0
