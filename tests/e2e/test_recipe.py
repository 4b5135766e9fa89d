"""`recipe simulate --from` a river that runs: what waits in its pools counts. `recipe apply` on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts import Control, Document
from services.mixer.recipe import Recipe
from services.runtime import agreement
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topics import CONTROL
from tests.e2e.commands import Done, ask
from tests.e2e.home import Home, home

pytestmark = pytest.mark.stack

LENGTHS = {"zh": 300, "en": 500, "code": 100}


# A bucket before the others that asks for what waits in the pools without.
BY_TEXT = """
buckets: {long: size(text) > 9000, sft: has(metadata.template), code: format == "code", zh: language == "zh",
          en: language == "en"}
phases: [{name: stable, weights: {long: 1, en: 1}}]
"""


def apply_on(river: Home, recipe: Path | str) -> Done:
    return ask("recipe", "apply", str(recipe), "--out", river.out, "--json")


def test_the_pools_of_a_river_that_runs_are_read_where_they_are(tmp_path: Path) -> None:
    """Prevents a simulation that knows nothing before the first part is sealed; a recipe told to nobody."""
    with home(tmp_path / "out") as river:
        messages = [
            Produce(
                f"pool.{bucket}",
                Document(
                    uid=100 * number + n, id=f"{bucket}{n}", bucket=bucket, num_tokens=length
                ).SerializeToString(),
                key=bytes([number, n]),
                partition=n % 2,
            )
            for number, (bucket, length) in enumerate(LENGTHS.items(), 1)
            for n in range(20)
        ]
        transactions = Transactions(river.settings, "test", "test")
        transactions.commit(messages, {}, None)
        transactions.reset()
        done = ask("recipe", "simulate", "--from", river.out, "--flush", "--json")
        other = Recipe.load("en-heavy")
        applied, again = apply_on(river, "en-heavy"), apply_on(river, "en-heavy")
        (tmp_path / "by-text.yaml").write_text(BY_TEXT)
        refused = apply_on(river, tmp_path / "by-text.yaml")
        with Log(river.settings) as log:
            told = [(r.partition, Control.FromString(r.value)) for r in log.read_all(CONTROL)]
        in_force = agreement.recipe_in_force(river.settings)
    assert done.code == 0, done.err
    phase = json.loads(done.out)["phases"][0]
    assert {name: use["tokens"] for name, use in phase["buckets"].items() if use["tokens"]} == {
        name: 20 * length for name, length in LENGTHS.items()
    }
    assert json.loads(applied.out) == {"recipe": other.digest, "offsets": {"0": 0, "1": 0}}
    assert again.out == applied.out, "said twice it is told once"
    assert sorted((lane, control.recipe.text) for lane, control in told) == [(0, other.text), (1, other.text)]
    assert in_force == other.text
    assert refused.code == 2
    assert "the test of long asks for text" in refused.err
