"""A river of test units: its table, its store and its settings, through the environment as in life."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]

TABLE = {
    "services": {
        "echo": {"run": "tests.units:ECHO", "input": "docs.raw", "output": "docs.parsed"},
        "poisoned": {"run": "tests.units:POISONED", "input": "docs.parsed", "output": "docs.clean"},
        "wordy": {"run": "tests.units:WORDY", "input": "docs.clean", "output": "docs.scored"},
        "newest": {"run": "tests.units:NEWEST", "input": "docs.scored", "output": "docs.routed"},
        "positioned": {"run": "tests.units:POSITIONED", "input": "docs.routed", "output": "docs.tokenized"},
        "placed": {"run": "tests.units:PLACED", "input": "docs.routed", "output": "docs.tokenized"},
        "bucketed": {"run": "tests.units:BUCKETED", "input": "docs.tokenized", "output": "pool.{bucket}"},
        "last": {"run": "tests.units:POSITIONED", "input": "docs.sorted", "output": "pool.{bucket}"},
        "refusing": {"run": "tests.units:REFUSING", "input": "docs.raw", "output": "docs.parsed"},
        "twice": {"run": "tests.units:TWICE", "input": "docs.raw", "output": "docs.parsed"},
        "broken": {"run": "tests.units:BROKEN", "input": "docs.raw", "output": "docs.parsed"},
    },
    "topics": {
        "docs.raw": {"holds": "Document", "by": "partitions"},
        "pool.{bucket}": {"holds": "Document", "by": "lanes"},
        "docs.rejected": {"holds": "Rejection", "by": "partitions"},
    },
}


def settle(folder: Path, environment: pytest.MonkeyPatch) -> Path:
    """Make a folder the home of a river of test units, and set this process and its children to it."""
    (folder / "store").mkdir()
    table = folder / "topology.yaml"
    table.write_text(yaml.safe_dump(TABLE))
    forget(environment)
    environment.setenv("CORPUSWORKS_TOPOLOGY", str(table))
    environment.setenv("CORPUSWORKS_STORE_URL", (folder / "store").as_uri())
    environment.setenv("CORPUSWORKS_MEMORY_LIMIT_BYTES", str(512 << 20))
    environment.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "proto")]))
    return folder


def forget(environment: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("CORPUSWORKS_"):
            environment.delenv(name)


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings."""
    forget(monkeypatch)
    return monkeypatch


@pytest.fixture
def river(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a river of test units."""
    return settle(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def shared_river(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One river for tests that do not change its settings."""
    with pytest.MonkeyPatch.context() as environment:
        yield settle(tmp_path_factory.mktemp("river"), environment)
