"""What verdicts and steps count, and how a stuck service looks."""

from __future__ import annotations

from prometheus_client import REGISTRY

from services.runtime import Count
from services.runtime.loops.counts import count


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"corpusworks_{name}", labels)


def test_counts_are_added_up_by_their_labels() -> None:
    """Prevents the last of several counts from being the one that shows."""
    zh, en = ("zh",), ("en",)
    count("one", [Count("mixed_tokens", zh, 3), Count("mixed_tokens", en), Count("mixed_tokens", zh, 4)])
    count("one", [Count("mixed_tokens", ("zh",), 10)])
    assert value("mixed_tokens_total", service="one", bucket="zh") == 17
    assert value("mixed_tokens_total", service="one", bucket="en") == 1


def test_a_count_of_nothing_makes_a_series() -> None:
    """Prevents a rule that never dropped in a group from looking like one that does not apply there."""
    labels = {"service": "two", "language": "zh", "format": "prose", "reason": "menu"}
    assert value("rules_judged_documents_total", **labels) is None
    count("two", [Count("rules_judged_documents", ("zh", "prose", "menu"), 0)])
    assert value("rules_judged_documents_total", **labels) == 0
