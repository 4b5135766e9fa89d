"""A real Redis or Valkey for a module's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.runtime import Resources, Settings
from services.runtime.settings import RedisSettings
from tests.servers import RedisServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Keeps what it was told over a kill."""
    running = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes")
    yield running
    running.kill()


@pytest.fixture
def empty_server(server: RedisServer) -> RedisServer:
    """The same server with nothing in it, and as much room as there is."""
    with server.client() as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return server


@pytest.fixture
def resources(empty_server: RedisServer) -> Iterator[Resources]:
    """Of a process beside the emptied server."""
    made = Resources(Settings(redis=RedisSettings(url=empty_server.url)))
    yield made
    made.close()
