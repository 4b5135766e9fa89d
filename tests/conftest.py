"""What every test shares: a Kafka client that keeps its retries to itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.s3_server import S3Server, s3_server


def pytest_configure(config: pytest.Config) -> None:
    """The client logs each try while a broker starts, and warns of its own generated code."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    config.addinivalue_line("filterwarnings", "ignore:(open|read)_text is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that no test kills; each takes a bucket of its own."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server
