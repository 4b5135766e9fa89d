from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainer.bert.metrics import (
    auc,
    calibration_error,
    confusion,
    f1_by_class,
    macro_f1,
    ranks,
    softmax,
    spearman,
    temperature,
)


def test_f1_as_worked_out_by_hand() -> None:
    """Prevents rows and columns, or precision and recall, from being mixed up."""
    counts = confusion(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2]), 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    f1 = f1_by_class(counts)
    # class 0: precision 2/2, recall 2/3; class 1: precision 1/2, recall 1/2; class 2: never true
    assert f1[:3] == pytest.approx([0.8, 0.5, 0.0])
    assert np.isnan(f1[3])
    assert macro_f1(counts) == pytest.approx(0.65)
    assert np.isnan(macro_f1(np.zeros((2, 2), int)))


def test_auc_is_the_share_of_pairs_in_order() -> None:
    """Prevents ties from counting for either side."""
    draw = np.random.default_rng(0)
    scores, positive = draw.integers(0, 6, 60).astype(float), draw.random(60) < 0.4
    pairs = list(itertools.product(scores[positive], scores[~positive]))
    assert auc(scores, positive) == pytest.approx(sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs))
    assert np.isnan(auc(scores, np.ones(60, bool)))


def test_spearman_and_ranks() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert spearman(x, -x) == pytest.approx(-1.0)
    # d = (0, 1, 1, 0, 0): 1 - 6 * 2 / (5 * 24)
    assert spearman(x, np.array([1.0, 3.0, 2.0, 4.0, 5.0])) == pytest.approx(0.9)
    assert np.isnan(spearman(x, np.ones(5)))


def test_temperature_finds_how_overconfident_logits_are() -> None:
    """Prevents a calibration that makes probabilities worse."""
    draw = np.random.default_rng(1)
    honest = draw.normal(size=(4000, 5)) * 2
    chances = softmax(honest)
    classes = np.array([draw.choice(5, p=p) for p in chances])
    for factor in (0.5, 1.0, 3.0):
        found = temperature(honest * factor, classes)
        assert found == pytest.approx(factor, rel=0.1)
    loud = honest * 3
    before = calibration_error(softmax(loud), classes)
    after = calibration_error(softmax(loud, temperature(loud, classes)), classes)
    assert before > 0.1
    assert after < 0.03


def test_calibration_error_as_worked_out_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    # .9 and half right: .4 off; .6 and all right: .4 off
    assert calibration_error(probabilities, np.array([0, 1, 1, 1])) == pytest.approx(0.4)
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert calibration_error(certain, np.array([0, 1])) == 0
    assert softmax(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]
