"""What a change of the recipe of a river is checked for."""

from __future__ import annotations

from services.mixer.condition import Condition
from services.mixer.pooled import missing
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError


def check(former: Recipe, recipe: Recipe) -> None:
    """Raises ConfigurationError: documents that wait could not be sorted by its tests."""
    moved = [b for b in former.buckets if b not in recipe.buckets or recipe.routing(b) != former.routing(b)]
    asking = {
        bucket: gone
        for bucket, when in recipe.buckets.items()
        if (gone := missing(when, Condition(when).names))
    }
    if moved and asking:
        bucket, gone = next(iter(asking.items()))
        raise ConfigurationError(
            f"documents that wait in {', '.join(moved)} would have to be sorted anew, and the test of "
            f"{bucket} asks for {', '.join(gone)}, which the pools do not hold: put that bucket behind the "
            "others, or ask for a feature, language, category or format instead"
        )
