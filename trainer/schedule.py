"""The learning rate: warm-up, stable, decay (WSD, arXiv 2404.06395 §4).

The decay has no date. It begins at the step whose global batch has the first sample of a decay phase in it,
so that what the recipe keeps for the end is what the model anneals on, however much came before; `decay_at`
is for those whose parts have no such phase. The run ends with its decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.config import ScheduleConfig

# What is left of the rate when a share `t` (0..1] of the decay is done. sqrt is 1 - sqrt(t), which arXiv
# 2405.18392 found the best of the three; it falls fast at first.
SHAPES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda t: 1 - t,
    "sqrt": lambda t: 1 - math.sqrt(t),
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
}


class Schedule:
    """The share of the learning rate at each step. Steps count from 1.

    decay_from: the first step of the decay, None while it has not begun.
    """

    def __init__(self, config: ScheduleConfig, steps: int) -> None:
        self._config = config
        self._steps = steps
        self.decay_from: int | None = None

    def observe(self, step: int, phases: Iterable[str]) -> bool:
        """Before a step: the phases of its samples. Whether the decay begins with it."""
        if self.decay_from is not None:
            return False
        due = 0 < self._config.decay_at < step
        if not due and set(self._config.decay_phases).isdisjoint(phases):
            return False
        self.decay_from = step
        return True

    def share(self, step: int) -> float:
        """0..1 of the configured learning rate; `final` at the last step of the decay."""
        config = self._config
        share = min(1.0, step / config.warmup_steps) if config.warmup_steps else 1.0
        if self.decay_from is not None and step >= self.decay_from:
            done = min(1.0, (step - self.decay_from + 1) / max(1, config.decay_steps))
            share *= config.final + (1 - config.final) * SHAPES[config.decay](done)
        return share

    @property
    def last(self) -> int:
        """The step that the run ends with, as far as is known by now."""
        if self.decay_from is None:
            return self._steps
        return min(self._steps, self.decay_from + max(1, self._config.decay_steps) - 1)

    def phase(self, step: int) -> str:
        """warmup, stable or decay: for logs."""
        if self.decay_from is not None and step >= self.decay_from:
            return "decay"
        return "warmup" if step < self._config.warmup_steps else "stable"

    def state_dict(self) -> dict[str, Any]:
        """Small, as JSON."""
        return {"decay_from": self.decay_from}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """What state_dict gave."""
        self.decay_from = state["decay_from"]
