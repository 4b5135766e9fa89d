"""Commands run in the tests' process: what they set up for good must not outlive them."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def logs_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each logger keeps the stream that it first wrote to, and a command's is closed when it ends."""
    monkeypatch.setattr(structlog, "configure", lambda **_: None)
