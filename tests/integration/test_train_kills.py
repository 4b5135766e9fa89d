"""The trainer in real processes: killed, on other numbers of ranks, and replayed from its log."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training import launch, make_part, tree

torch = pytest.importorskip("torch")

KILLED = -9
STEPS = 16


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Stores of the same parts: undisturbed; killed twice; by 4 ranks; by 2, then 1, then 2 ranks."""
    root = tmp_path_factory.mktemp("train")
    first = root / "plain" / "store"
    for number in range(8):
        make_part(first, number)
    names = ("killed", "four", "other")
    stores = {"plain": first} | {name: root / name / "store" for name in names}
    for name in names:
        shutil.copytree(first, stores[name])
    trees = {name: tree(store, steps=STEPS) for name, store in stores.items()}
    trees["four"]["steps"] = 4
    launches: list[tuple[str, int, int | None]] = [
        ("plain", 1, None),
        ("killed", 1, 3),  # before the first checkpoint but that of step 0
        ("killed", 1, 13),
        ("killed", 1, None),
        ("four", 4, None),
        ("other", 2, 6),
        ("other", 1, 12),
        ("other", 2, None),
    ]
    codes = launch(
        root, [{"config": trees[name], "world_size": size, "kill_at": at} for name, size, at in launches]
    )
    expected = [[KILLED if at else 0] * size for _, size, at in launches]
    assert codes == expected
    return {name: (store, trees[name]) for name, store in stores.items()}


def _batches(store: Path) -> dict[int, str]:
    from trainer.data.store import Store
    from trainer.steplog import read

    return {row.step: row.digest for row in read(Store(str(store)), "tiny")}


def _weights(store: Path) -> str:
    from trainer.checkpoint import load_model
    from trainer.data.store import Store
    from trainer.replay import digest

    return digest(load_model(Store(str(store)), "tiny")[0])


def test_a_run_that_was_killed_twice_gives_the_same_batches_and_bitwise_the_same_weights(runs: Any) -> None:
    plain, killed = runs["plain"][0], runs["killed"][0]
    assert sorted(_batches(plain)) == list(range(1, STEPS + 1))
    assert _batches(killed) == _batches(plain)
    assert _weights(killed) == _weights(plain)


@pytest.mark.parametrize(("other", "steps"), [("four", 4), ("other", STEPS)])
def test_any_number_of_ranks_reads_the_same_global_batches(runs: Any, other: str, steps: int) -> None:
    plain = _batches(runs["plain"][0])
    assert _batches(runs[other][0]) == {step: plain[step] for step in range(1, steps + 1)}


def test_two_ranks_go_on_as_one_and_two_again_and_learn_the_same_but_for_rounding(runs: Any) -> None:
    from trainer.checkpoint import load_model
    from trainer.data.store import Store

    mine, plain = (load_model(Store(str(runs[name][0])), "tiny")[0] for name in ("other", "plain"))
    assert mine.keys() == plain.keys()
    for name, weights in plain.items():
        torch.testing.assert_close(mine[name], weights, atol=2e-3, rtol=0, msg=name)


@pytest.mark.parametrize("name", ["plain", "killed"])
def test_a_replay_from_the_log_gives_the_weights_of_the_checkpoint(runs: Any, name: str) -> None:
    from trainer.replay import replay

    again = replay(str(runs[name][0]), "tiny", 10, STEPS)
    assert again.same is True
    assert again.digest == _weights(runs[name][0])


def test_a_replay_by_another_number_of_ranks_is_refused(runs: Any) -> None:
    from trainer.errors import DataError
    from trainer.replay import replay

    with pytest.raises(DataError, match="by 2 ranks, these are 1.*torchrun"):
        replay(str(runs["other"][0]), "tiny", 10, STEPS)


def test_a_replay_by_other_code_is_refused(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import replay
    from trainer.errors import DataError

    monkeypatch.setattr(replay, "code_digest", lambda: "0" * 16)
    with pytest.raises(DataError, match="the version of the trainer"):
        replay.replay(str(runs["plain"][0]), "tiny", 10, STEPS)
