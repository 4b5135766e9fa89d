"""Where the scorer keeps more or less of a group than it should."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from rich.console import Console

from services.ledger import Account, is_off, shares
from services.ledger.shares import LOW_RANK
from services.local.screen import show_shares

NEWS, BOOK, CODE = ("zh", "prose", "news"), ("en", "prose", "book"), ("und", "code", "code")


def account(**dropped: tuple[tuple[str, str, str], int, int]) -> Account:
    """By any name: group, documents, of them dropped by the scorer."""
    found, uid = Account(), 0
    for group, documents, lost in dropped.values():
        for number in range(documents):
            uid += 1
            found.ranked[uid] = group
            if number < lost:
                found.rejected[uid].append(LOW_RANK)
            elif number % 3 == 0:
                found.rejected[uid].append(("dedup", "near_duplicate"))
    return found


def expected(language: str, format_: str, category: str) -> float:
    return 0.95 if format_ == "prose" else 1.0


def test_what_was_kept_is_compared_with_what_should_be() -> None:
    """Prevents drops of other units from counting as the scorer's, and a group from hiding in the whole."""
    found = shares(account(a=(NEWS, 1000, 50), b=(BOOK, 500, 150), c=(CODE, 300, 0)), expected)
    assert [(share.category, share.documents, share.kept, share.off) for share in found] == [
        ("news", 1000, 950, False),
        ("book", 500, 350, True),
        ("code", 300, 300, False),
    ]
    assert found[1].row == {
        "language": "en",
        "format": "prose",
        "category": "book",
        "documents": 500,
        "target": 0.95,
        "kept": 0.7,
        "off": True,
    }


def test_a_group_that_nobody_measured_shows() -> None:
    """Prevents a judge without a table, of which all is kept, from looking right."""
    assert shares(account(a=(NEWS, 400, 0)), expected)[0].off


@pytest.mark.parametrize(
    ("documents", "actual", "target", "off"),
    [
        (199, 0.0, 0.95, False),  # too few to say
        (200, 0.90, 0.95, True),
        (200, 0.91, 0.95, False),
        (100_000, 0.935, 0.95, False),  # certain, and no matter
        (100_000, 0.925, 0.95, True),
        (100_000, 0.995, 0.999, True),  # four times as many dropped as asked
        (100_000, 0.33, 0.30, True),
        (5000, 1.0, 1.0, False),
        (5000, 0.99, 1.0, True),
        (5000, 0.0, 0.0, False),
    ],
)
def test_off_is_what_matters_beyond_chance(documents: int, actual: float, target: float, off: bool) -> None:
    assert is_off(documents, actual, target) is off


def test_chance_alone_is_hardly_ever_off() -> None:
    """Prevents a warning that everybody learns to overlook."""
    rng = random.Random(0)
    found = [
        is_off(300, sum(rng.random() < target for _ in range(300)) / 300, target)
        for target in (0.95, 0.8, 0.3)
        for _ in range(700)
    ]
    assert sum(found) <= 21  # 1 %


def test_the_screen_names_the_group_and_what_to_run() -> None:
    """Prevents a figure in a file that nobody reads; and a line where all is well."""
    said = io.StringIO()
    rows = [share.row for share in shares(account(a=(NEWS, 1000, 50), b=(BOOK, 500, 150)), expected)]
    show_shares(rows, Path("corpus"), Console(file=said, width=200))
    assert "kept 70.0% of 500 documents of en/prose/book, not 95.0%" in said.getvalue()
    assert "corpusworks judge calibrate --out corpus --to calibration.json" in said.getvalue()
    assert "news" not in said.getvalue()
    quiet = io.StringIO()
    show_shares(rows[:1], Path("corpus"), Console(file=quiet, width=200))
    assert quiet.getvalue() == ""
