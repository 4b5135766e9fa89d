"""The one training loop. What is learnt is an Objective; the loop brings batches, schedule and checkpoints.

A resumed run equals one that was never interrupted: batches are f(seed, epoch), what an objective draws is
f(seed, epoch, batch), and a checkpoint holds the weights, the optimiser and the generators of the dropout.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainer.bert.errors import JudgeError
from trainer.bert.model import autocast
from trainer.bert.recipe import FitConfig

# Rows are sorted by length within this many batches, so that little is padded and the order stays random.
_SORTED_BATCHES = 50


class Objective(Protocol):
    """What is learnt.

    module: everything with weights. lengths: tokens of each row. `loss` is of a batch of rows and draws only
    from `random`; `score` is of the validation part, higher is better, None where there is none.
    """

    module: nn.Module
    lengths: Sequence[int]

    def loss(self, rows: Sequence[int], random: np.random.Generator) -> Tensor:
        """Of a batch."""
        ...

    def score(self) -> float | None:
        """Of the validation part."""
        ...


def fit(
    objective: Objective,
    config: FitConfig,
    device: torch.device,
    checkpoint: Path,
    log: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Train objective.module to the end, from the checkpoint where there is one
    (of the same objective and config: the caller sees to it); the best weights stay in it.

    Returns a record per evaluation: epoch, loss, score, seconds.
    """
    torch.manual_seed(config.seed)
    course = _Course(objective, config, device, checkpoint)
    course.restore()
    while not course.done:
        course.step()
        if course.due:
            course.evaluate(log)
        if course.due or time.monotonic() - course.saved_at >= config.checkpoint_s:
            course.due = False
            course.save()
    if course.best_weights is not None:
        objective.module.load_state_dict(course.best_weights)
    return course.history


def batches(lengths: Sequence[int], config: FitConfig, epoch: int) -> list[list[int]]:
    """Rows of each batch of an epoch: of like length, at most batch_size and max_tokens with padding."""
    random = np.random.default_rng((config.seed, epoch))
    order = random.permutation(len(lengths))
    found: list[list[int]] = []
    for start in range(0, len(order), config.batch_size * _SORTED_BATCHES):
        rows = sorted(
            order[start : start + config.batch_size * _SORTED_BATCHES].tolist(), key=lengths.__getitem__
        )
        batch: list[int] = []
        for row in rows:
            if batch and (
                len(batch) == config.batch_size or lengths[row] * (len(batch) + 1) > config.max_tokens
            ):
                found.append(batch)
                batch = []
            batch.append(row)
        found.append(batch)
    return [found[i] for i in random.permutation(len(found))]


def rate(progress: float, config: FitConfig) -> float:
    """Learning rate at `progress` (0..1): linear warm-up, then half a cosine to 0."""
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    after = min((progress - config.warmup) / (1 - config.warmup), 1.0)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * after))


class _Course:
    """Where the training stands. `save` and `restore` are the whole of it."""

    def __init__(
        self, objective: Objective, config: FitConfig, device: torch.device, checkpoint: Path
    ) -> None:
        self.objective, self.config, self.device = objective, config, device
        self.checkpoint = checkpoint
        objective.module.to(device)
        self.weights = list(objective.module.parameters())
        self.optimizer = torch.optim.AdamW(_groups(objective.module, config.weight_decay), lr=0.0)
        self.epoch = self.batch = 0
        self.order = batches(objective.lengths, config, 0)
        self.elapsed = 0.0
        self.losses: list[float] = []
        self.history: list[dict[str, Any]] = []
        self.best = -math.inf
        self.best_weights: dict[str, Tensor] | None = None
        self.behind = 0  # evaluations since the best one
        self.due = self.done = False
        self.saved_at = time.monotonic()

    @property
    def epochs(self) -> float:
        return self.epoch + self.batch / len(self.order)

    @property
    def progress(self) -> float:
        spent = self.elapsed / self.config.max_seconds if self.config.max_seconds else 0.0
        return max(self.epochs / self.config.epochs, spent)

    def step(self) -> None:
        began = time.monotonic()
        config, module = self.config, self.objective.module
        module.train()
        evaluations = self.epochs // config.evaluate_every
        for group in self.optimizer.param_groups:
            # The middle of the step: neither the first nor the last is spent at 0.
            group["lr"] = rate(self.progress + 0.5 / (len(self.order) * config.epochs), config)
        random = np.random.default_rng((config.seed, self.epoch, self.batch, 1))
        with autocast(self.device):
            loss = self.objective.loss(self.order[self.batch], random)
        if not torch.isfinite(loss):
            raise JudgeError(
                f"the loss is {loss.item()} at epoch {self.epochs:.2f}: lower fit.learning_rate"
                f" (now {config.learning_rate}) or raise fit.warmup"
            )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, config.clip)
        self.optimizer.step()
        self.losses.append(loss.item())
        self.batch += 1
        if self.batch == len(self.order):
            self.epoch, self.batch = self.epoch + 1, 0
            self.order = batches(self.objective.lengths, config, self.epoch)
        self.elapsed += time.monotonic() - began
        self.done = self.progress >= 1
        self.due = self.done or self.epochs // config.evaluate_every > evaluations

    def evaluate(self, log: Callable[[str], None]) -> None:
        began = time.monotonic()
        self.objective.module.eval()
        score = self.objective.score()
        self.elapsed += time.monotonic() - began
        loss = float(np.mean(self.losses))
        self.losses.clear()
        record = {
            "epoch": round(self.epochs, 3),
            "loss": loss,
            "score": score,
            "seconds": round(self.elapsed, 1),
        }
        self.history.append(record)
        shown = "" if score is None else f"  validation {score:.4f}"
        log(f"epoch {self.epochs:5.2f}/{self.config.epochs:g}  loss {loss:.4f}{shown}  {self.elapsed:.0f} s")
        if score is None:
            return
        self.behind += 1
        if score > self.best:
            self.best, self.behind = score, 0
            state = self.objective.module.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        if self.config.patience and self.behind >= self.config.patience and not self.done:
            log(f"no better validation score in {self.behind} evaluations: stopped")
            self.done = True

    def save(self) -> None:
        state = {
            "weights": self.objective.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }
        state |= {name: getattr(self, name) for name in _KEPT}
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        new = self.checkpoint.with_name(self.checkpoint.name + ".new")
        torch.save(state, new)
        os.replace(new, self.checkpoint)  # a kill leaves the old one or the new one, never half
        self.saved_at = time.monotonic()

    def restore(self) -> None:
        if not self.checkpoint.exists():
            return
        try:
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:
            raise JudgeError(f"{self.checkpoint} is damaged ({error}): remove it to begin anew") from error
        self.objective.module.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        if state["cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)
        for name in _KEPT:
            setattr(self, name, state[name])
        self.order = batches(self.objective.lengths, self.config, self.epoch)


_KEPT = ("epoch", "batch", "elapsed", "losses", "history", "best", "best_weights", "behind", "done")


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Biases and norms are not pulled to 0."""
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    return [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
