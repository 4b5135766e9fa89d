"""New weights for the mix, by what the trainer measured: a change of the recipe in force."""

from __future__ import annotations

import json

from contracts import TrainEvent
from services.cli.options import topology_of
from services.mixer.recipe import Recipe
from services.runtime import Settings, agreement
from services.runtime.logs import log


def remix(settings: Settings, event: TrainEvent) -> None:
    """Give the phase that is trained in these weights, from here on. The same again changes nothing.

    What does not fit the recipe any more (it was changed meanwhile, the phase is gone) is left out with a
    warning: the next proposal is made from the new one. Raises DependencyDown, ConfigurationError.
    """
    text = agreement.recipe_in_force(settings)
    if text is None:
        return
    former = Recipe.load(text)
    made = _with_weights(former, event)
    if made is None:
        log.warning("the mix that was proposed does not fit the recipe", step=event.step, phase=event.phase)
        return
    if made.text != former.text:
        changed = settings.model_copy(update={"recipe": made.text})
        agreement.make(changed, topology_of(changed))
        log.info("the mix was changed", step=event.step, recipe=made.digest)


def _with_weights(recipe: Recipe, event: TrainEvent) -> Recipe | None:
    """The recipe with other shares among the buckets of a phase that are named; None where it has no such.

    Only what they share among themselves changes: a bucket that is not named keeps its own.
    """
    names = [phase.name for phase in recipe.phases]
    name = event.phase or (names[0] if len(names) == 1 else "")
    if name not in names:
        return None
    plain = json.loads(recipe.text)
    weights = plain["phases"][names.index(name)]["weights"]
    told = {bucket: weight for bucket, weight in event.weights.items() if weights.get(bucket)}
    if set(told) != set(event.weights) or not told or min(told.values()) <= 0:
        return None
    scale = sum(weights[bucket] for bucket in told) / sum(told.values())
    weights.update({bucket: float(f"{weight * scale:.9g}") for bucket, weight in told.items()})
    return Recipe.load(json.dumps(plain))
