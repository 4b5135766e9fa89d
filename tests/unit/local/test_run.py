"""What a run says of itself."""

from __future__ import annotations

from pathlib import Path

from services.cli.run import job_of, targets
from services.ledger import Account
from services.local.run import told
from services.mixer.recipe import Recipe
from services.runtime import load_settings


def test_the_mix_is_held_to_the_recipe_that_is_in_force(tmp_path: Path) -> None:
    """Prevents: shares of the default beside a mix by another recipe, which an earlier call had named."""
    job = job_of([], tmp_path, None)
    stands = load_settings().model_copy(update={"recipe": Recipe.load("en-heavy").text})
    found = told(job, stands, Account(), 0, seconds=1.0, used={})
    shares = {each["phase"]: {b: of["target"] for b, of in each["mix"].items()} for each in found["phases"]}
    assert shares == targets("en-heavy") != targets(None)
