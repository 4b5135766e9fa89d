"""Proposed weights: within their bound, a whole, and towards what still learns."""

from __future__ import annotations

import math
import random

import pytest

from trainer.mixing import Mixer, propose, rate


@pytest.mark.parametrize("seed", range(20))
def test_weights_stay_within_the_bound_and_sum_to_one(seed: int) -> None:
    """Prevents an update from throwing a mixture over."""
    rng = random.Random(seed)
    weights = {f"b{i}": rng.expovariate(1) for i in range(rng.randrange(1, 9))}
    rates = {name: rng.gauss(0, 1) for name in weights if rng.random() < 0.8}
    bound = rng.choice([0.0, 0.01, 0.1, 0.5])
    total = sum(weights.values())
    found = propose(weights, rates, bound)
    assert sum(found.values()) == pytest.approx(1)
    for name, weight in weights.items():
        assert abs(found[name] / (weight / total) - 1) <= bound + 1e-9


def test_what_learns_faster_gets_more() -> None:
    """Prevents the sign from being wrong."""
    found = propose({"zh": 0.5, "en": 0.3, "code": 0.2}, {"zh": 0.1, "en": 0.3, "code": 0.1}, 0.1)
    assert found["en"] == pytest.approx(0.33)
    assert found["zh"] < 0.5
    assert found["code"] < 0.2
    same = {"zh": 0.5, "en": 0.5}
    assert propose(same, {"zh": 0.2, "en": 0.2}, 0.1) == same
    assert propose(same, {}, 0.1) == same
    assert propose(same, {"zh": math.nan, "en": 0.2}, 0.1) == same


@pytest.mark.parametrize(
    ("weights", "bound"),
    [
        ({}, 0.1),
        ({"zh": -1.0, "en": 2.0}, 0.1),
        ({"zh": 0.0}, 0.1),
        ({"zh": math.inf}, 0.1),
        ({"zh": 1.0}, 1.0),
    ],
)
def test_what_are_no_weights_is_refused(weights: dict[str, float], bound: float) -> None:
    with pytest.raises(ValueError, match=r"no weights|the bound"):
        propose(weights, {}, bound)


def test_a_rate_is_the_exponent_of_a_power_law() -> None:
    """Prevents a rate that falls by itself as training goes on."""
    law = [(step, 8 * step**-0.25) for step in range(1000, 2000, 50)]
    assert rate(law) == pytest.approx(0.25)
    assert rate([(10, 3.0)]) == 0
    assert rate([(10, 3.0), (10, 2.0)]) == 0


def test_a_mixer_proposes_when_it_is_time() -> None:
    """Prevents an update at every step, and one from the losses of before the last."""
    mixer = Mixer(every=100, bound=0.1)
    proposals = {}
    for step in range(10, 410, 10):
        steep = step <= 200
        losses = {"zh": 8 * step ** -(0.5 if steep else 0.01), "code": 4 * step**-0.2}
        if found := mixer.note(step, losses, {"zh": 600, "code": 200}):
            proposals[step] = found
    assert list(proposals) == [110, 210, 310]
    assert proposals[110]["zh"] > 0.75
    assert proposals[110]["code"] == pytest.approx(0.225, abs=0.06)
    assert proposals[310]["zh"] < proposals[210]["zh"], "it learns no longer"
    assert sum(proposals[310].values()) == pytest.approx(1)


def test_a_new_bucket_comes_in() -> None:
    """Prevents a bucket of a later recipe from being left out, or from ending the run."""
    mixer = Mixer(every=10, bound=0.1)
    for step in range(1, 12):
        mixer.note(step, {"zh": 3.0, "en": 3.0}, {"zh": 30, "en": 10})
    for step in range(12, 40):
        if found := mixer.note(
            step, {"zh": 3.0, "en": 3.0, "law": 4.0 / step}, {"zh": 30, "en": 10, "law": 2}
        ):
            assert set(found) == {"zh", "en", "law"}
