"""Scores of code, tables and the like, out of measures."""

from __future__ import annotations

import pytest

from contracts import Document
from services.rules import SERVICE as RULES
from services.rules.formats import FORMATS as KNOWN
from services.rules.measures import MEASURES
from services.runtime import Emit, Resources, Verdict, load_settings
from services.scorer.formats import TERMS, Term, score
from services.scorer.keep import FORMATS

GOOD = '''"""Tides of a harbour, from its measured levels."""


def high_waters(levels):
    """Indices at which the level is higher than before and after."""
    found = []
    for index in range(1, len(levels) - 1):
        if levels[index - 1] < levels[index] >= levels[index + 1]:
            found.append(index)
    return found


def mean_range(levels):
    """Mean difference between a high water and the low water after it, in metres."""
    highs = high_waters(levels)
    lows = high_waters([-level for level in levels])
    return sum(levels[high] - levels[low] for high, low in zip(highs, lows)) / len(highs)
'''
DATA = "TABLE = [\n" + "    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,\n" * 40 + "]\n"


def at(format_: str, **changed: float) -> float:
    """The score where every measure is at its bound, but those changed."""
    return score(format_, {term.measure: term.bound for term in TERMS[format_]} | changed)


def judged(*documents: Document) -> list[Verdict]:
    judge = RULES.build(RULES.config(), Resources(load_settings()))
    return list(judge(documents))


@pytest.mark.parametrize("format_", TERMS)
def test_a_score_is_bounded_and_one_half_at_the_bounds(format_: str) -> None:
    """Prevents one huge measure, of a minified file, say, from hiding all others."""
    assert at(format_) == pytest.approx(0.5)
    for extreme in (0.0, 1e-9, 1e9):
        assert 0 <= score(format_, {term.measure: extreme for term in TERMS[format_]}) <= 1


@pytest.mark.parametrize(("format_", "term"), [(f, t) for f, terms in TERMS.items() for t in terms])
def test_a_score_is_strictly_monotone_in_each_measure(format_: str, term: Term) -> None:
    """Prevents a better file from having the lower score, and heaps of files with the same one."""
    steps = [at(format_, **{term.measure: term.bound * x}) for x in (0, 0.25, 0.5, 1, 2, 4, 100)]
    assert steps == sorted(set(steps), reverse=term.good == "little")


def test_every_measure_is_one_of_rules() -> None:
    """Prevents a score from asking for a feature that no service measures."""
    document = Document(uid=1, text=GOOD, source="file:///tides.py")
    judged(document)
    assert document.format == "code"
    asked = {term.measure for terms in TERMS.values() for term in terms}
    assert asked <= set(document.features)
    assert len(asked & set(MEASURES)) >= 10
    assert FORMATS == KNOWN


def test_a_program_scores_above_data_in_the_form_of_a_program() -> None:
    """Prevents the formula from being upside down."""
    good, data = Document(uid=1, text=GOOD), Document(uid=2, text=DATA)
    good.source = data.source = "file:///x.py"
    verdicts = judged(good, data)
    assert isinstance(verdicts[0], Emit)
    assert score("code", good.features) > score("code", data.features) + 0.05


def test_a_measure_that_is_missing_is_named() -> None:
    """Prevents a protobuf map from answering 0 for what was never measured."""
    with pytest.raises(KeyError, match="mean_line_length"):
        score("code", Document().features)
