"""Ranks within a group: the sketch, the threshold, and the count of what is kept."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.scorer.config import ScorerConfig
from services.scorer.group import SLACK, Account, Ranked, State, choose_threshold, rank
from services.scorer.sketch import Scores, Sketch
from tests.scoring import true_ranks

K = ScorerConfig().k


def put(
    scores: Scores, old: State | None = None, share: float = 0.95, min_below: float = 10
) -> tuple[State, Ranked]:
    lots = np.random.default_rng(len(scores)).random(len(scores))
    return rank(scores, lots, [None] * len(scores), old, share=share, k=K, min_below=min_below)


@pytest.mark.parametrize("shape", ["normal", "heavy", "ties", "sorted"])
@pytest.mark.parametrize("size", [7, 1000])
def test_ranks_are_within_one_percent(shape: str, size: int) -> None:
    """The error of a rank, over a group that came in a thousand merges, or thirty; also sorted."""
    rng = np.random.default_rng(5)
    scores = {
        "normal": rng.normal(size=30_000),
        "heavy": rng.standard_cauchy(30_000),
        "ties": rng.integers(0, 40, 30_000) / 8,
        "sorted": np.sort(rng.normal(size=30_000)),
    }[shape]
    state = None
    for at in range(0, len(scores), size):
        state, _ = put(scores[at : at + size], state)
    assert state is not None
    assert state.sketch.count == 30_000
    truth = true_ranks(scores.tolist())
    worst = max(abs(state.sketch.standing(score).rank - truth[score]) for score in truth)
    assert worst < 0.01


def test_few_scores_are_ranked_exactly() -> None:
    """Prevents chance from entering where there is no need: up to k documents nothing is estimated."""
    scores = np.random.default_rng(2).normal(size=K)
    state = None
    for at in range(0, K, 50):
        state, _ = put(scores[at : at + 50], state)
    assert state is not None
    truth = true_ranks(scores.tolist())
    assert all(state.sketch.standing(score).rank == pytest.approx(truth[score], abs=1e-12) for score in truth)


def test_equal_scores_have_the_middle_rank() -> None:
    """Prevents a model that says the same of everything from ranking it first, or last."""
    _, ranked = put(np.full(500, 2.5))
    assert {standing.rank for standing in ranked.standings} == {0.5}
    _, ranked = put(np.array([1.0, 2.0, 2.0, 3.0]))
    assert [standing.rank for standing in ranked.standings] == [0.125, 0.5, 0.5, 0.875]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8, 0.95])
def test_a_threshold_within_equal_scores_keeps_its_share(share: float) -> None:
    """Prevents a heap of equal scores from being kept, or dropped, as one."""
    _, ranked = put(np.full(1000, 0.5), share=share)
    assert np.count_nonzero(ranked.places >= ranked.threshold) == pytest.approx(1000 * share, abs=10)


def test_the_worst_of_a_handful_is_not_dropped() -> None:
    """Prevents a judgement without evidence: ten must be below the threshold, of 200 at 95 %."""
    scores = np.arange(199.0)
    _, ranked = put(scores)
    assert np.all(ranked.places >= ranked.threshold)
    _, ranked = put(np.arange(200.0))
    assert np.count_nonzero(ranked.places < ranked.threshold) == 10
    _, ranked = put(scores, share=0.0, min_below=200)
    assert np.all(ranked.places >= ranked.threshold)
    _, ranked = put(np.arange(200.0), share=0.0, min_below=200)
    assert np.all(ranked.places < ranked.threshold)


def test_the_threshold_stays_near_its_percentile() -> None:
    """Prevents the account from making up for a bad week with documents that are no good, or the reverse."""
    places = np.random.default_rng(3).random(1000)
    too_many, too_few = Account(0.3, 10_000, 9_000), Account(0.3, 10_000, 10)
    assert choose_threshold(places, too_many) == pytest.approx(0.7 + SLACK)
    assert choose_threshold(places, too_few) == pytest.approx(0.7 - SLACK)
    assert abs(choose_threshold(places, Account(0.3, 10_000, 3_000)) - 0.7) <= SLACK
    assert choose_threshold(places, Account(0.99, 10_000, 0)) == places.min() < 0.01
    assert choose_threshold(places, Account(0.0, 10_000, 0)) > 1


def test_a_new_share_opens_a_new_account() -> None:
    """Prevents a recipe that asks for less from being paid for with what was kept before."""
    rng = np.random.default_rng(4)
    state, _ = put(rng.normal(size=5000), share=0.9)
    assert (state.account.share, state.account.seen) == (0.9, 5000)
    state, ranked = put(rng.normal(size=1000), state, share=0.3)
    assert np.count_nonzero(ranked.places >= ranked.threshold) == pytest.approx(300, abs=1)
    assert (state.account.seen, state.sketch.count) == (1000, 6000)


def test_a_state_is_a_value() -> None:
    """Prevents a batch that is ranked again, after another replica wrote, from being in the sketch twice."""
    state, _ = put(np.arange(600.0))
    before = state.data
    put(np.arange(50.0), state)
    assert state.data == before
    again = State.load(before)
    assert (again.data, again.account) == (before, state.account)


def test_the_first_judgement_stands() -> None:
    """Prevents a document that comes again from another fate, and from a second place in the sketch."""
    state, first = put(np.arange(1000.0), share=0.5)
    fates = [False, True, None]
    scores, lots = np.array([999.5, 0.5, 999.7]), np.zeros(3)
    state, again = rank(scores, lots, fates, state, share=0.5, k=K, min_below=10)
    assert again.kept.tolist() == [False, True, True]
    assert (state.sketch.count, state.account.seen) == (1001, 1001)
    assert state.account.kept == first.kept.sum() + 1
    before = state.data
    state, _ = rank(scores, lots, [True, False, True], state, share=0.5, k=K, min_below=10)
    assert state.data == before


def test_documents_that_came_before_are_ranked_without_their_sketch() -> None:
    """Prevents a replay after the state was lost, or under a new model version, from failing."""
    _, again = rank(np.array([3.0, 1.0]), np.zeros(2), [False, True], None, share=0.5, k=K, min_below=0)
    assert again.kept.tolist() == [False, True]
    assert [standing.rank for standing in again.standings] == [0.75, 0.25]


def test_a_changed_k_takes_hold() -> None:
    """Prevents a coarse sketch from living on for ever."""
    scores = np.random.default_rng(1).normal(size=20_000)
    coarse, _ = rank(scores, scores, [None] * 20_000, None, share=1, k=300, min_below=0)
    fine, _ = rank(scores, scores, [None] * 20_000, coarse, share=1, k=2048, min_below=0)
    assert fine.sketch.count == 40_000
    assert len(fine.data) > 2 * len(coarse.data)


def test_the_size_is_bounded() -> None:
    """Prevents a group's state from growing with the river."""
    rng = np.random.default_rng(0)
    sketch = Sketch.of(rng.normal(size=10), K)
    for _ in range(100):
        sketch.merge(Sketch.of(rng.normal(size=100_000), K))
    state, _ = put(rng.normal(size=10), State(sketch, Account(1.0)))
    assert state.sketch.count == 10_000_020
    assert len(state.data) < 13_000


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"x" * 24, b"\0" * 200, random.Random(0).randbytes(5000)])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    """Prevents another program's value from being read as ranks."""
    with pytest.raises(ValueError, match=r"few|corruption|buffer|memory|bytes"):
        State.load(data)


def test_the_librarys_error_at_the_default_is_below_one_percent() -> None:
    """The figure that the docstrings cite."""
    from datasketches import kll_doubles_sketch

    assert kll_doubles_sketch.get_normalized_rank_error(K, False) == pytest.approx(0.0053, abs=1e-4)
    assert kll_doubles_sketch.get_normalized_rank_error(300, False) == pytest.approx(0.009, abs=1e-4)
    assert Sketch.of(np.ones(3), K).count == 3
