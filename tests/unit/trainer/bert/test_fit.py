from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.bert.errors import JudgeError
from trainer.bert.fit import batches, fit, rate
from trainer.bert.recipe import FitConfig

CPU = torch.device("cpu")


class Line:
    """Learns y = x @ w, with dropout and noise, so that every generator shows in the outcome."""

    def __init__(self, scores: Sequence[float] | None = None) -> None:
        draw = np.random.default_rng(0)
        self.x = torch.from_numpy(draw.normal(size=(90, 8)).astype(np.float32))
        self.y = self.x.sum(dim=1, keepdim=True)
        torch.manual_seed(3)
        self.module: nn.Module = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.3), nn.GELU(), nn.Linear(16, 1))
        self.lengths: Sequence[int] = draw.integers(1, 20, 90).tolist()
        self.scores = scores
        self.steps = 0
        self.stop_at: int | None = None

    def loss(self, rows: Sequence[int], random: np.random.Generator) -> Tensor:
        if self.steps == self.stop_at:
            raise KeyboardInterrupt
        self.steps += 1
        noise = torch.from_numpy(random.normal(size=(len(rows), 8)).astype(np.float32)) * 0.1
        guess = self.module(self.x[list(rows)] + noise)
        return nn.functional.mse_loss(guess, self.y[list(rows)])

    def score(self) -> float | None:
        if self.scores is None:
            with torch.no_grad():
                return -float(nn.functional.mse_loss(self.module(self.x), self.y))
        return self.scores[min(self.steps // 9, len(self.scores)) - 1]


def weights(objective: Line) -> list[Tensor]:
    return [tensor.clone() for tensor in objective.module.state_dict().values()]


CONFIG = FitConfig(
    epochs=4, batch_size=10, learning_rate=1e-2, evaluate_every=0.5, patience=0, checkpoint_s=0
)


@pytest.mark.parametrize("stops", [(1,), (9,), (13, 1, 20)])
def test_a_resumed_run_equals_one_that_was_never_interrupted(tmp_path: Path, stops: Sequence[int]) -> None:
    """Prevents a kill from changing what is learnt: order, noise, dropout, optimiser and schedule go on."""
    whole = Line()
    history = fit(whole, CONFIG, CPU, tmp_path / "whole.pt")
    torch.manual_seed(99)
    for stop in stops:
        part = Line()
        part.stop_at = stop
        with pytest.raises(KeyboardInterrupt):
            fit(part, CONFIG, CPU, tmp_path / "part.pt")
    rest = Line()
    resumed = fit(rest, CONFIG, CPU, tmp_path / "part.pt")
    assert rest.steps == whole.steps - sum(stops)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(rest), strict=True))
    assert [(r["epoch"], r["loss"], r["score"]) for r in history] == [
        (r["epoch"], r["loss"], r["score"]) for r in resumed
    ]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    """Prevents the same command from changing a model that is done."""
    first = Line()
    fit(first, CONFIG, CPU, tmp_path / "fit.pt")
    again = Line()
    again.stop_at = 0
    fit(again, CONFIG, CPU, tmp_path / "fit.pt")
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))


def test_the_best_weights_are_kept_and_patience_ends_it(tmp_path: Path) -> None:
    """Prevents an overfitted end from being shipped instead of the best evaluation."""
    config = FitConfig(epochs=10, batch_size=10, patience=2, learning_rate=1e-2)
    kept = Line(scores=[0.5, 0.9, 0.6, 0.7, 0.8])
    history = fit(kept, config, CPU, tmp_path / "a.pt")
    assert [record["score"] for record in history] == [0.5, 0.9, 0.6, 0.7]
    ends = Line()
    fit_until = FitConfig(epochs=10, batch_size=10, patience=0, learning_rate=1e-2, checkpoint_s=0)
    ends.stop_at = 18  # two epochs of nine batches: where the best score was
    with pytest.raises(KeyboardInterrupt):
        fit(ends, fit_until, CPU, tmp_path / "b.pt")
    assert all(torch.equal(a, b) for a, b in zip(weights(kept), weights(ends), strict=True))


def test_a_time_budget_ends_it_with_the_rate_at_0(tmp_path: Path) -> None:
    """Prevents a budget from cutting off a course in the middle of its schedule, and from starting anew."""

    class Slow(Line):
        def loss(self, rows: Sequence[int], random: np.random.Generator) -> Tensor:
            time.sleep(0.02)
            return super().loss(rows, random)

    config = FitConfig(epochs=1000, batch_size=10, max_seconds=0.5, patience=0, checkpoint_s=0)
    slow = Slow()
    fit(slow, config, CPU, tmp_path / "fit.pt")
    assert 5 <= slow.steps <= 26
    state = torch.load(tmp_path / "fit.pt", weights_only=True)
    assert state["optimizer"]["param_groups"][0]["lr"] < 0.1 * config.learning_rate
    again = Slow()
    fit(again, config, CPU, tmp_path / "fit.pt")
    assert again.steps == 0


def test_batches_hold_each_row_once_within_their_bounds() -> None:
    """Prevents a long text from filling the memory, and a text from being left out of an epoch."""
    lengths = np.random.default_rng(0).integers(2, 200, 3000).tolist()
    config = FitConfig(batch_size=16, max_tokens=1000)
    first, again, second = (batches(lengths, config, epoch) for epoch in (0, 0, 1))
    assert first == again != second
    assert sorted(row for batch in first for row in batch) == list(range(3000))
    tokens = [(max(lengths[row] for row in batch), len(batch)) for batch in first]
    assert max(rows for _, rows in tokens) == 16
    assert all(longest * rows <= 1000 for longest, rows in tokens)
    assert sum(longest * rows for longest, rows in tokens) < 1.1 * sum(lengths)
    assert batches([5000, 3], config, 0) in ([[0], [1]], [[1], [0]])


def test_the_rate_rises_and_falls() -> None:
    config = FitConfig(learning_rate=1.0, warmup=0.1)
    assert rate(0.05, config) == pytest.approx(0.5)
    assert rate(0.1, config) == pytest.approx(1.0)
    assert rate(0.55, config) == pytest.approx(0.5)
    assert rate(1.0, config) == pytest.approx(0.0)
    assert rate(0.0, FitConfig(warmup=0)) == FitConfig().learning_rate


def test_a_loss_that_explodes_is_told(tmp_path: Path) -> None:
    """Prevents hours of training on NaN."""
    broken = Line()
    broken.y = broken.y * float("inf")
    with pytest.raises(JudgeError, match=r"lower fit.learning_rate"):
        fit(broken, CONFIG, CPU, tmp_path / "fit.pt")


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / "fit.pt").write_bytes(b"half a file")
    with pytest.raises(JudgeError, match="remove it to begin anew"):
        fit(Line(), CONFIG, CPU, tmp_path / "fit.pt")
