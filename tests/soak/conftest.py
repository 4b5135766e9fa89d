"""What long tests are told, `make soak SEED=7 MINUTES=20`, and what they say at the end: a line for each."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

_SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1 << 31))
_MINUTES = float(os.environ.get("SOAK_MINUTES") or 0)
_TOLD = f"SEED={_SEED}" + (f" MINUTES={_MINUTES:g}" if _MINUTES else "")


@pytest.fixture
def seed() -> int:
    """Of everything that is drawn at random."""
    return _SEED


@pytest.fixture
def minutes() -> float:
    """How long somebody asked for; 0: as long as the test needs to show what it shows."""
    return _MINUTES


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """The seed at once, too: a run that is broken off comes to no end."""
    return [f"soaks: {_TOLD}"] if any(item.get_closest_marker("soak") for item in items) else []


@dataclass
class _Ran:
    """A test, with all of its parameters."""

    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What ran, for how long, how it ended, and the seed that repeats it; nothing where no soak ran."""
    ran: dict[str, _Ran] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and "soak" in report.keywords:
                row = ran.setdefault(report.nodeid.partition("[")[0], _Ran())
                row.seconds += report.duration
                if report.when == "call" or not report.passed:
                    row.outcomes[report.outcome] += 1
    if ran:
        terminalreporter.section(f"soaks: {_TOLD}")
    for name, row in ran.items():
        ended = ", ".join(f"{number} {outcome}" for outcome, number in sorted(row.outcomes.items()))
        terminalreporter.write_line(f"{row.seconds:8.1f} s  {ended}  {name}")
