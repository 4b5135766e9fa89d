"""Weights that the trainer proposes, in the recipe that is in force."""

from __future__ import annotations

import json

import pytest

from contracts import TrainEvent
from services.cli import remix as module
from services.mixer.recipe import Recipe
from services.runtime import Settings

FORCE = Recipe.load(
    json.dumps(
        {
            "buckets": {"zh": "language == 'zh'", "en": "language == 'en'", "rest": "true"},
            "phases": [
                {"name": "stable", "weights": {"zh": 4, "en": 4, "rest": 2}, "tokens": 1000},
                {"name": "anneal", "weights": {"zh": 1, "en": 1}},
            ],
        }
    )
)


def proposed(phase: str, **weights: float) -> TrainEvent:
    return TrainEvent(kind="mix", step=7, phase=phase, weights=weights)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that were put in force."""
    found: list[Recipe] = []

    def make(settings: Settings, _topology: object) -> None:
        found.append(Recipe.load(str(settings.recipe)))

    def in_force(_settings: Settings) -> str:
        return (found[-1] if found else FORCE).text

    monkeypatch.setattr(module.agreement, "recipe_in_force", in_force)
    monkeypatch.setattr(module.agreement, "make", make)
    return found


def test_the_shares_among_those_that_are_named_change(made: list[Recipe]) -> None:
    """Prevents: a bucket that nobody spoke of and that gets another share."""
    for _ in range(2):  # at least once: the same again changes nothing
        module.remix(Settings(), proposed("stable", zh=0.55, en=0.45))
    (recipe,) = made
    stable, anneal = recipe.phases
    assert stable.weights == pytest.approx({"zh": 4.4, "en": 3.6, "rest": 2})
    assert anneal == FORCE.phases[1]
    assert recipe.buckets == FORCE.buckets


@pytest.mark.parametrize(
    "event",
    [
        proposed("gone", zh=0.5, en=0.5),
        proposed("", zh=0.5, en=0.5),
        proposed("stable", zh=0.5, code=0.5),
        proposed("anneal", zh=0.5, rest=0.5),
        proposed("stable", zh=1.0, en=0.0),
        proposed("stable"),
    ],
)
def test_what_does_not_fit_is_left_out(event: TrainEvent, made: list[Recipe]) -> None:
    """Prevents: a recipe without a bucket that it had, since a proposal was made from an older one."""
    module.remix(Settings(), event)
    assert made == []
