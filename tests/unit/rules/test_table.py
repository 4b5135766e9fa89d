"""Bounds: what passes one, and by how much a share of few lines must."""

from __future__ import annotations

import pytest

from services.rules.config import RulesConfig
from services.rules.table import Bound, bind


def bound_of(measure: str, language: str = "en") -> Bound:
    return next(b for b in bind(RulesConfig(), language, "prose") if b.rule.measure == measure)


@pytest.mark.parametrize(("lines", "most"), [(21, 0.4), (189, 1 / 3), (1e6, 0.3005)])
def test_a_share_of_few_lines_must_be_past_its_bound_by_its_error(lines: float, most: float) -> None:
    """Prevents chance from dropping a short thread where a long one with the same habits stays."""
    repeated = bound_of("dup_line_share")
    assert repeated.threshold == 0.3
    assert repeated.threshold_of({"lines": lines}) == pytest.approx(most, abs=1e-4)
    assert repeated.passed_by({"lines": lines, "dup_line_share": most + 0.001})
    assert not repeated.passed_by({"lines": lines, "dup_line_share": most - 0.001})


def test_too_few_lines_are_judged_by_none() -> None:
    """However many of them look alike."""
    few = RulesConfig().sample_lines - 1.0
    assert not bound_of("dup_line_share").passed_by({"lines": few, "dup_line_share": 1.0})


def test_function_words_are_asked_of_running_text_only() -> None:
    """A change log has none: "Add Korean translation for ...", a hundred times."""
    stop_words = bound_of("stop_words")
    measures = {"stop_words": 0.0, "own_words": 900.0, "bullet_line_share": 0.1, "alpha_word_share": 0.9}
    assert stop_words.passed_by(measures)
    assert not stop_words.passed_by(measures | {"bullet_line_share": 0.9})
    assert not stop_words.passed_by(measures | {"alpha_word_share": 0.7})  # a table of figures in a mail


@pytest.mark.parametrize(
    ("measure", "language"),
    [("mean_line_length", "zh"), ("pattern_repeats", "en"), ("menu_line_share", "en")],
)
def test_others_have_one_bound(measure: str, language: str) -> None:
    """A length, a share of many characters; and frames of pages are short by nature."""
    bound = bound_of(measure, language)
    assert bound.threshold_of({"lines": 9.0}) == bound.threshold
