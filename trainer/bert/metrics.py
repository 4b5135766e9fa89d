"""Measures of a judgement, in numpy. Arrays: logits [n, k], classes [n] (indices), scores [n]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities, float64 [n, k]."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def confusion(classes: Array, predicted: Array, size: int) -> Array:
    """Counts [true, predicted]."""
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (classes, predicted), 1)
    return counts


def f1_by_class(counts: Array) -> Array:
    """F1 of each class out of a confusion matrix; NaN where the class is neither true nor predicted."""
    right = np.diag(counts).astype(np.float64)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    return np.asarray(np.divide(2 * right, total, out=np.full(len(counts), np.nan), where=total > 0))


def macro_f1(counts: Array) -> float:
    """Mean F1 over the classes that are true of at least one text; NaN when there is none.

    A class that is absent has no recall to measure; its false predictions cost the others' F1.
    """
    present = counts.sum(axis=1) > 0
    return float(f1_by_class(counts)[present].mean()) if present.any() else float("nan")


def calibration_error(probabilities: Array, classes: Array, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017): mean |confidence - accuracy|."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == classes
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float(np.sum(confidence[at == b] - right[at == b]))) for b in range(bins)]
    return sum(gaps) / len(classes)


def temperature(logits: Array, classes: Array) -> float:
    """What to divide the logits by for the least negative log-likelihood (Guo et al. 2017), in 0.05..20.

    The loss is convex in 1 / temperature: a golden-section search over its logarithm finds the one minimum.
    """
    chosen = np.arange(len(classes)), classes

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[chosen]).mean())

    low, high = np.log(0.05), np.log(20.0)
    golden = (5**0.5 - 1) / 2
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def ranks(values: Array) -> Array:
    """Ranks from 1; ties share their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def auc(scores: Array, positive: Array) -> float:
    """Probability that a positive scores above a negative (ties count half); NaN when either is missing."""
    good, bad = int(positive.sum()), int((~positive).sum())
    if not good or not bad:
        return float("nan")
    return float((ranks(scores)[positive].sum() - good * (good + 1) / 2) / (good * bad))


def spearman(a: Array, b: Array) -> float:
    """Rank correlation; NaN when one of them does not vary."""
    if len(a) < 2:
        return float("nan")
    x, y = (r - r.mean() for r in (ranks(a), ranks(b)))
    norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / norm if norm else float("nan")


def mean_known(values: Sequence[float]) -> float:
    """Mean of what is a number; NaN when nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
