"""How far two networks are apart on the same texts: int8 and fp32, a new version and the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trainer.bert.description import Description
from trainer.bert.metrics import Array, softmax, spearman

# A version that decides otherwise on more than a tenth of the texts is another classifier: thresholds by
# category and counts over time break. It may be wanted; it is never to happen unseen.
MIN_AGREEMENT = 0.9


def drift(
    before: Mapping[str, Array], after: Mapping[str, Array], description: Description
) -> dict[str, Any]:
    """By head: max and mean |difference of logits|; `agreement`, 0..1, higher is nearer.

    agreement: share of texts with the same class; for a score, the rank correlation.
    """
    found = {}
    for name, head in description.heads.items():
        a, b = before[name], after[name]
        apart = np.abs(a.astype(np.float64) - b)
        found[name] = {"max": float(apart.max()), "mean": float(apart.mean())}
        if head.kind == "classes":
            found[name]["agreement"] = float((a.argmax(axis=1) == b.argmax(axis=1)).mean())
            probabilities = np.abs(softmax(a, head.temperature) - softmax(b, head.temperature))
            found[name]["max_probability"] = float(probabilities.max())
        else:
            found[name]["agreement"] = spearman(a[:, 0], b[:, 0])
    return found


def too_far(measured: Mapping[str, Mapping[str, float]], least: float = MIN_AGREEMENT) -> list[str]:
    """The heads that differ too much, with what was measured."""
    return [
        f"{name} (agreement {of['agreement']:.3f}, at least {least})"
        for name, of in measured.items()
        if not of["agreement"] >= least
    ]


def line(measured: Mapping[str, Mapping[str, float]]) -> str:
    """For a person."""
    return "; ".join(
        f"{name}: logits within {of['max']:.3f} (mean {of['mean']:.4f}), agreement {of['agreement']:.4f}"
        for name, of in measured.items()
    )
