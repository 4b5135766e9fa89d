"""Keep rules: shares, demand, and what a mistake in them says."""

from __future__ import annotations

from typing import Any

import pytest

from services.runtime import ConfigurationError, configure
from services.scorer import KeepRule, ScorerConfig
from services.scorer.formats import TERMS
from services.scorer.keep import FORMATS, share_of


def test_the_first_rule_that_matches_decides() -> None:
    """Prevents a general rule from overruling the exception that stands before it."""
    rules = (
        KeepRule(language="zh", category="news", share=0.1),
        KeepRule(category="news", share=0.3),
        KeepRule(format="code", share=0.7),
    )
    assert share_of(rules, "zh", "prose", "news") == 0.1
    assert share_of(rules, "en", "prose", "news") == 0.3
    assert share_of(rules, "und", "code", "code") == 0.7
    assert share_of(rules, "en", "prose", "math") == 1.0


def test_the_default_drops_of_prose_only() -> None:
    """Prevents code and tables from being dropped by a formula that nobody asked to; Markdown is prose."""
    keep = ScorerConfig().keep
    kept = {format_: share_of(keep, "en", format_, "web") for format_ in FORMATS}
    assert kept == {format_: 0.95 if format_ in ("prose", "markdown") else 1.0 for format_ in FORMATS}


def test_a_rule_for_markdown_goes_before_that_for_prose() -> None:
    """Prevents a user from losing the say over Markdown files."""
    rules = (KeepRule(format="markdown", share=0.5), KeepRule(format="prose", share=0.9))
    assert [share_of(rules, "en", format_, "web") for format_ in ("markdown", "prose", "code")] == [
        0.5,
        0.9,
        1,
    ]


@pytest.mark.parametrize(
    ("need", "supply", "max_epochs", "share"),
    [(10, 100, 4, 0.025), (300, 100, 4, 0.75), (400, 100, 4, 1), (1e12, 100, 4, 1), (1e9, 4e9, 1, 0.25)],
)
def test_demand_becomes_a_share(need: float, supply: float, max_epochs: float, share: float) -> None:
    """Prevents more from being kept than training can use, or less than it needs."""
    rule = KeepRule(category="math", need=need, supply=supply, max_epochs=max_epochs)
    assert rule.kept == pytest.approx(share)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({}, "either share, or need and supply"),
        ({"share": 0.5, "need": 1, "supply": 1}, "either share, or need and supply"),
        ({"share": 30}, "lies in 0..1"),
        ({"share": -0.1}, "lies in 0..1"),
        ({"share": float("nan")}, "lies in 0..1"),
        ({"need": 1}, "supply is None"),
        ({"supply": 1}, "need is None"),
        ({"need": 1, "supply": 0}, "supply is 0"),
        ({"need": float("nan"), "supply": 1}, "need is nan"),
        ({"need": 1, "supply": 1, "max_epochs": 0.5}, "used once at least"),
        ({"format": "cod", "share": 0.5}, "no format 'cod'; there are prose, code"),
        ({"category": "", "share": 0.5}, "category is empty"),
        ({"catagory": "news", "share": 0.3}, "catagory"),
        ({"share": "much"}, "share"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(rule: dict[str, Any], says: str) -> None:
    """Prevents a mistyped rule from keeping or dropping everything; also when it comes from settings."""
    with pytest.raises(ConfigurationError, match=says):
        configure("scorer", ScorerConfig, {"keep": [rule]})


def test_rules_come_from_the_environment_as_json() -> None:
    """Prevents keep rules from being settable in code only."""
    values = {"keep": '[{"category": "news", "share": 0.3}, {"language": "zh", "need": 2, "supply": 1}]'}
    config = configure("scorer", ScorerConfig, values)
    assert config.keep == (KeepRule(category="news", share=0.3), KeepRule(language="zh", need=2, supply=1))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"model": ""}, "model and head"),
        ({"store": "redis"}, "has no setting store"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(values: dict[str, Any], says: str) -> None:
    """Prevents a service from starting with settings that cannot be meant."""
    with pytest.raises(ConfigurationError, match=says):
        configure("scorer", ScorerConfig, values)


def test_every_format_but_prose_has_a_score_of_its_own() -> None:
    """Prevents a format that rules knows from being judged as prose."""
    assert set(TERMS) == set(FORMATS) - {"prose", "markdown"}
