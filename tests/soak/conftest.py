"""What long tests are told: `make soak SEED=7 MINUTES=20`. The seed is printed, to have a failure again."""

from __future__ import annotations

import os
import random

import pytest

_SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 31))
_MINUTES = float(os.environ.get("SOAK_MINUTES") or 0)


def pytest_report_header() -> str:
    """The first lines of the run."""
    return f"soak seed: {_SEED} (SOAK_SEED), minutes: {_MINUTES or 'as each test needs'} (SOAK_MINUTES)"


@pytest.fixture
def seed() -> int:
    """Of everything that is drawn at random."""
    return _SEED


@pytest.fixture
def minutes() -> float:
    """How long somebody asked for; 0: as long as the test needs to show what it shows."""
    return _MINUTES
