"""The trainer killed again and again, at random steps and on changing numbers of ranks."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training import launch, make_part, tree

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

STEPS, KILLS = 60, 25


@pytest.mark.parametrize("ranks", [(1,), (1, 2, 4)], ids=["one rank", "changing ranks"])
def test_kills_at_random_steps_leave_no_trace(tmp_path: Path, ranks: tuple[int, ...]) -> None:
    from trainer.checkpoint import load_model
    from trainer.data.store import Store
    from trainer.replay import digest
    from trainer.steplog import read

    draw = random.Random(11)
    plain, killed = tmp_path / "plain" / "store", tmp_path / "killed" / "store"
    for number in range(STEPS // 2):
        make_part(plain, number)
    shutil.copytree(plain, killed)
    over: dict[str, Any] = {"steps": STEPS, "schedule__decay_at": 45, "schedule__decay_steps": 15}
    trees = {store: tree(store, **over) for store in (plain, killed)}
    launches: list[dict[str, Any]] = [{"config": trees[plain]}]
    # A kill at a step that a run is past already does nothing, and it goes on to its end: so they rise.
    for kill_at in sorted(draw.sample(range(2, STEPS), KILLS)):
        launches.append({"config": trees[killed], "kill_at": kill_at, "world_size": draw.choice(ranks)})
    launches.append({"config": trees[killed]})
    codes = launch(tmp_path, launches, timeout_s=1700)
    assert codes[0] == codes[-1] == [0]
    assert all(set(each) == {-9} for each in codes[1:-1])

    mine, whole = (
        {row.step: row.digest for row in read(Store(str(store)), "tiny")} for store in (killed, plain)
    )
    assert sorted(whole) == list(range(1, STEPS + 1))
    assert mine == whole
    (left, _), (right, _) = (load_model(Store(str(store)), "tiny") for store in (killed, plain))
    if ranks == (1,):
        assert digest(left) == digest(right)
    else:  # other ranks add gradients up in another order, and Adam makes a step of any rounding near zero
        for name, weights in right.items():
            torch.testing.assert_close(left[name], weights, atol=2e-2, rtol=0, msg=name)
