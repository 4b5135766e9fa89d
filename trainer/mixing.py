"""Online mixing: weights of the buckets that follow their losses, within a bound at each update.

A bucket whose loss falls faster than the others' still teaches more; it gets more, one that stands still
less. The rate is taken from the run itself, in the manner of ADO (Jiang et al. 2024, arXiv 2410.11820): no
reference model is needed. The update is multiplicative, as in DoReMi (Xie et al. 2023).

What is proposed here is an event `mix`; `corpusworks recipe apply` makes it a recipe. Nothing changes what a
run already has before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def rate(losses: Sequence[tuple[int, float]]) -> float:
    """How fast a loss falls: its share at a doubling of the steps; 0 with fewer than two points.

    losses: (step, loss) in order, step ≥ 1. The slope of log loss over log step by least squares: losses
    follow power laws (Kaplan et al. 2020), so that it does not fall with the step by itself.
    """
    known = [(math.log(step), math.log(loss)) for step, loss in losses if step > 0 and 0 < loss < math.inf]
    if len(known) < 2:
        return 0.0
    mean_x = sum(x for x, _ in known) / len(known)
    mean_y = sum(y for _, y in known) / len(known)
    spread = sum((x - mean_x) ** 2 for x, _ in known)
    return -sum((x - mean_x) * (y - mean_y) for x, y in known) / spread if spread else 0.0


def propose(weights: Mapping[str, float], rates: Mapping[str, float], bound: float) -> dict[str, float]:
    """New weights, which sum to 1, each within ±bound (0..1) of the present share of its bucket.

    rates: how fast each bucket's loss falls; a bucket without one counts as the mean of the others. The
    one farthest from the mean moves by the bound, the others in proportion. Raises ValueError for weights
    that are no shares, or a bound outside 0..1.
    """
    if not 0 <= bound < 1:
        raise ValueError(f"the bound is {bound}; it lies in 0..1, 1 not included")
    total = sum(weights.values())
    if not weights or not 0 < total < math.inf or min(weights.values()) < 0:
        raise ValueError(f"these are no weights: {dict(weights)}")
    shares = {name: weight / total for name, weight in weights.items()}
    known = {name: rates[name] for name in shares if math.isfinite(rates.get(name, math.nan))}
    mean = sum(shares[name] * found for name, found in known.items())
    mean /= sum(shares[name] for name in known) or 1.0
    beyond = {name: known.get(name, mean) - mean for name in shares}
    largest = max(map(abs, beyond.values()))
    if largest <= 1e-12:
        return shares
    # The mean is weighted by the shares, so that what some gain is what the others give: the sum stays 1.
    return {name: share * (1 + bound * beyond[name] / largest) for name, share in shares.items()}


@dataclass
class Mixer:
    """Proposes weights every so many steps from the losses by bucket in between.

    The first weights are the shares of the buckets in the tokens that were trained on.
    """

    every: int
    bound: float
    weights: dict[str, float] = field(default_factory=dict)
    _losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    _since: int | None = None

    def note(
        self, step: int, bucket_loss: Mapping[str, float], bucket_tokens: Mapping[str, int]
    ) -> dict[str, float] | None:
        """The new weights when it is time, for an event `mix`. bucket_tokens: trained on so far."""
        self._since = step if self._since is None else self._since
        for name, loss in bucket_loss.items():
            self._losses.setdefault(name, []).append((step, loss))
        if step - self._since < self.every or not any(bucket_tokens.values()):
            return None
        known = self.weights or {name: float(count) for name, count in bucket_tokens.items()}
        smallest = min((weight for weight in known.values() if weight > 0), default=1.0)
        known = known | {name: smallest for name in bucket_loss if name not in known}
        self.weights = propose(
            known, {name: rate(losses) for name, losses in self._losses.items()}, self.bound
        )
        self._losses.clear()
        self._since = step
        return dict(self.weights)
