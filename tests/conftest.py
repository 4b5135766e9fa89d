"""What every test shares: a Kafka client that keeps its retries to itself, and the order of the files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.s3_server import S3Server, s3_server

# What waits most begins first, and what is short fills both processors at the end.
FIRST = ("e2e", "integration", "contract", "charts", "unit/trainer")


def pytest_configure(config: pytest.Config) -> None:
    """The client logs each try while a broker starts, and warns of its own generated code."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    config.addinivalue_line("filterwarnings", "ignore:(open|read)_text is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that is asked within the test's process may have set the log to warnings alone."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that no test kills; each takes a bucket of its own."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of FIRST."""
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> int:
    folder = path.relative_to(Path(__file__).parent).as_posix()
    return next((place for place, name in enumerate(FIRST) if folder.startswith(name)), len(FIRST))
