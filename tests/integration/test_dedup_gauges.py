"""How full Redis is and whether it would forget, as a real server tells it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from services.dedup import SERVICE, DedupConfig
from services.runtime import DependencyDown, Resources, load_settings
from services.runtime.settings import RedisSettings
from tests.servers import RedisServer


def told(url: str, **config: str) -> Mapping[str, float]:
    assert SERVICE.gauges is not None
    resources = Resources(load_settings(redis=RedisSettings(url=url)))
    try:
        return SERVICE.gauges(DedupConfig(**config), resources)  # type: ignore[arg-type]
    finally:
        resources.close()


def test_a_server_that_lasts_and_one_that_forgets(tmp_path: Path) -> None:
    """Prevents an index that loses keys from being known only by the duplicates in the parts."""
    server = RedisServer(tmp_path, "--appendonly", "yes")
    try:
        found = told(server.url)
        assert found["redis_forgetful"] == found["redis_evicted_keys"] == 0
        assert 100_000 < found["redis_used_bytes"] < found["redis_limit_bytes"]
        client = server.client()
        client.config_set("maxmemory", "20mb")
        assert told(server.url)["redis_limit_bytes"] == 20 << 20
        assert told(server.url)["redis_forgetful"] == 0  # it refuses writes, then
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert told(server.url)["redis_forgetful"] == 1
        for number in range(300):
            client.set(str(number), b"x" * 100_000)
        assert told(server.url)["redis_evicted_keys"] > 50
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendonly", "no")
        assert told(server.url)["redis_forgetful"] == 1
        client.close()
    finally:
        server.kill()


def test_no_server_no_numbers() -> None:
    """Prevents numbers out of nothing; an index in memory asks no server at all."""
    with pytest.raises(DependencyDown):
        told("redis://127.0.0.1:1/0")
    assert told("redis://127.0.0.1:1/0", index="memory") == {}
