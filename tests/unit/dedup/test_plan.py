"""What is promised before a run: the curve of the bands, the cost, and the tokens that a threshold leaves."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.dedup import DedupConfig
from services.dedup.plan import (
    found,
    index_of,
    least_for,
    s_curve,
    threshold_of,
    tokens_by_likeness,
    tokens_left,
)

CONFIG = DedupConfig()


def test_the_curve_is_that_of_the_bands() -> None:
    assert s_curve(0.8, CONFIG) == pytest.approx(0.974, abs=0.001)
    assert found(0.8, 0.8, CONFIG) == pytest.approx(s_curve(0.8, CONFIG) / 2)
    assert found(0.9, 0.8, CONFIG) == pytest.approx(s_curve(0.9, CONFIG))
    strict, loose = (threshold_of(0.8, DedupConfig(bands=bands)) for bands in (6, 12))
    assert 0.8 < strict.recall < loose.recall < 1
    assert loose.false < 0.01


def test_an_index_grows_with_documents_and_bands() -> None:
    made = index_of(2.5e10, CONFIG)
    assert made.bytes == 390 * 2.5e10
    assert made.strangers == pytest.approx(0.00107, rel=0.01)
    assert index_of(2.5e10, DedupConfig(bands=20)).bytes == (390 + 8 * 12.5) * 2.5e10


def test_what_goes_to_the_cold_tier_is_counted_there() -> None:
    said = ["dedup", "plan", "--documents", "1e9", "--hot", "1e7"]
    told = json.loads(CliRunner().invoke(app, [*said, "--json"]).stdout)
    assert told["index"]["bytes"] == 390e7
    assert told["cold"]["bytes"] == pytest.approx(18 * 0.99e9, rel=0.01)
    assert "990,000,000 in the cold tier: 17.8" in CliRunner().invoke(app, said).stdout
    assert "cold" not in json.loads(CliRunner().invoke(app, [*said[:4], "--json"]).stdout)


def test_the_tokens_that_a_threshold_leaves() -> None:
    """One that dropped at 0.85 stays where 0.9 is asked for; one whose nearest is 0.75 goes at 0.7."""
    drops: list[dict[str, object]] = [
        {
            "num_tokens": 10,
            "measured": 0.85,
            "threshold": 0.8,
            "detail": f"like uid {7:016x}, which is better",
        },
        {"num_tokens": 1, "measured": 0.3, "threshold": 0.8, "detail": ""},  # what lives is not like it
        {"num_tokens": None, "measured": None, "threshold": None, "detail": None},
    ]
    documents = [
        {"uid": f"{uid:016x}", "num_tokens": tokens, "features": features}
        for uid, tokens, features in [
            (6, 1000, None),
            (7, 2000, [("dedup_similarity", 0.85)]),  # the one for which another dropped
            (8, 100, [("dedup_similarity", 0.75)]),
            (9, 20_000, [("dedup_similarity", 0.95)]),  # has taken uid 10 back
            (10, 20_000, []),
        ]
    ]
    seen = tokens_by_likeness(drops, documents)
    assert tokens_left(seen, [0.7, 0.8, 0.81, 0.9, 1.0]) == [23_000, 23_100, 23_101, 23_111, 43_111]
    assert least_for(seen, 23_100) == 0.76
    assert least_for(seen, 43_000) == 0.96
    assert least_for(seen, 1e9) is None
