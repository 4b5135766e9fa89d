"""Copies by the lag: what the chart's ScaledObjects come to on lags that are made up."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import renders
from tests.autoscaler import SYNC_S, Autoscaler, turns

LAG = 1000


def scaled(helm: Path, process: str = "rules", **told: object) -> dict[str, Any]:
    """A ScaledObject as the chart has it, `autoscaling` by what is told."""
    values = "".join(f",services.{process}.autoscaling.{name}={value}" for name, value in told.items())
    chosen = f"services.{process}.autoscaling.by=keda,services.{process}.autoscaling.lag={LAG}{values}"
    made = yaml.safe_load_all(renders.template(helm, "--set", chosen))
    (found,) = (each for each in made if each and each["kind"] == "ScaledObject")
    return dict(found)


@pytest.fixture(scope="module")
def by_default(helm: Path) -> dict[str, Any]:
    return scaled(helm)


def followed(scaler: Autoscaler, lags: Callable[[float], Sequence[int]], until_s: float) -> list[int]:
    """Copies after each look, from one copy on."""
    copies, found = 1, []
    for look in range(int(until_s / SYNC_S)):
        copies = scaler.copies(look * SYNC_S, lags(look * SYNC_S), copies)
        found.append(copies)
    return found


@pytest.mark.parametrize(
    ("lags", "copies", "wanted"),
    [
        ([0, 0, 0, 0], 3, 0),
        ([1, 0, 0, 0], 1, 1),
        ([700, 700, 700, 0], 1, 3),
        ([9000, 9000, 9000, 9000], 1, 4),  # capped: a fifth copy would have nothing to read
        ([9000, 0, 0, 0], 1, 1),  # capped: nobody could help the one that reads it
        ([1090, 1090, 1090, 0], 3, 3),  # within the tolerance
        ([1150, 1150, 1150, 0], 3, 4),
    ],
)
def test_what_a_lag_asks_for(by_default: dict[str, Any], lags: list[int], copies: int, wanted: int) -> None:
    """Prevents a simulation that is none: KEDA's caps, HPA's ceiling and tolerance, in numbers."""
    assert Autoscaler.of(by_default).wanted(lags, copies) == wanted


def test_copies_come_and_go_one_by_one(by_default: dict[str, Any]) -> None:
    """Prevents a rebalance with three newcomers, and copies that go as soon as nothing waits."""
    high = [LAG * 9] * 4
    found = followed(Autoscaler.of(by_default), lambda now: high if now < 300 else [0] * 4, 900)
    assert found[:8] == [2, 2, 3, 3, 4, 4, 4, 4]
    went = [
        number * SYNC_S for number, (one, next_) in enumerate(itertools.pairwise(found), 1) if next_ < one
    ]
    assert went == [585, 645, 705], "300 s after the last look that found a lag, and a minute between them"
    assert found[-1] == 1


def test_bursts_do_not_make_it_flap(helm: Path, by_default: dict[str, Any]) -> None:
    """Prevents a release that starts and ends pods in time with its load; without the window it would."""

    def bursts(now: float) -> list[int]:
        return [LAG * 9] * 4 if now < 1200 and now % 120 < 60 else [0] * 4

    assert turns(followed(Autoscaler.of(by_default), bursts, 2400)) == 1
    hasty = scaled(helm, stabilizationSeconds=0)
    assert turns(followed(Autoscaler.of(hasty), bursts, 2400)) > 10


def test_what_it_does_not_know_it_refuses(by_default: dict[str, Any]) -> None:
    """Prevents a simulation that silently leaves out what the chart has begun to ask for."""
    told = copy.deepcopy(by_default)
    behavior = told["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    behavior["scaleUp"]["policies"].append({"type": "Percent", "value": 100, "periodSeconds": 15})
    with pytest.raises(ValueError, match="type Pods"):
        Autoscaler.of(told)
    told["spec"]["minReplicaCount"] = 0
    with pytest.raises(ValueError, match="one copy or more"):
        Autoscaler.of(told)
