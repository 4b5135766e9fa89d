"""A store for the trainer's data: a folder, or a real S3 server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.trainer.data.river import River
from trainer.data.cache import Cache
from trainer.data.store import Store


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "file":
        return (tmp_path / "a store #1").as_uri()
    server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return f"{server.bucket('trainer')}/{tmp_path.name}"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[str], Store]:
    """Opens a store with a small cache of its own."""
    return lambda url: Store(url, cache=Cache(tmp_path / "cache", 1 << 20))


@pytest.fixture
def river(tmp_path: Path) -> River:
    """In a folder."""
    return River((tmp_path / "river").as_uri())
