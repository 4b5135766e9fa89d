"""Spikes: which steps are skipped, when training goes back to a checkpoint, and when it ends.

A step is skipped when its loss or the norm of its gradient is more than `sigmas` standard deviations above the
mean of the last `window` accepted steps; that begins when `least` of them are known (the rule and its numbers:
OLMo-core's SkipStepOptimizer; the same in levanter). Own: what was skipped does not enter the window, since
a run of spikes would raise its own threshold; what is not finite is a spike at any time.

Where steps are skipped again and again the weights themselves may be spoilt: training goes back (PaLM, Chowdhery
et al. 2022, section 5.1), and too many such ends stop the run.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

# A batch whose loss never varies would make a spike of the last bit of a float32.
_LEAST_DEVIATION = 1e-3  # own: of the mean
_SKIPS_PER_SPIKE = 20  # own: so many steps skipped one by one weigh as much as one that was gone back for


class Stability(Protocol):
    """What is asked of trainer.config.StabilityConfig."""

    @property
    def window(self) -> int: ...  # noqa: D102 - steps whose mean and deviation count
    @property
    def least(self) -> int: ...  # noqa: D102 - steps that must be known before any is skipped
    @property
    def sigmas(self) -> float: ...  # noqa: D102
    @property
    def rewind_after(self) -> int: ...  # noqa: D102 - skips among the last rewind_window steps
    @property
    def rewind_window(self) -> int: ...  # noqa: D102
    @property
    def max_spikes(self) -> int: ...  # noqa: D102 - among spike_window steps
    @property
    def spike_window(self) -> int: ...  # noqa: D102


class Detector:
    """Decides on the device which steps are skipped; nothing here waits for the device."""

    def __init__(
        self, *, window: int = 128, least: int = 64, sigmas: float = 6.0, device: torch.device | str = "cpu"
    ) -> None:
        """least: accepted steps before any finite step can be a spike."""
        self._sigmas = sigmas
        self._least = least
        self._places = torch.arange(window, device=device)
        self._values = torch.zeros(2, window, device=device)  # of accepted steps: loss, gradient norm
        self._count = torch.zeros((), dtype=torch.int64, device=device)  # of accepted steps

    @torch.no_grad()
    def observe(self, loss: Tensor, gradient_norm: Tensor) -> Tensor:
        """Whether to skip the step: 1.0 or 0.0, a float32 scalar on the device. Both: scalars of the whole step.

        Across processes rank 0 decides; all must call it.
        """
        seen = torch.stack((loss.detach(), gradient_norm.detach())).to(self._values)
        fine = torch.isfinite(seen).all() & (seen <= self.thresholds()).all()
        skip = 1.0 - fine.float()
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            dist.broadcast(skip, 0)
        here = (self._places == self._count % len(self._places)) & (skip == 0)
        self._values = torch.where(here, seen.nan_to_num()[:, None], self._values)
        self._count = self._count + (1 - skip).long()
        return skip

    @torch.no_grad()
    def thresholds(self) -> Tensor:
        """Above which loss and which gradient norm the next step is skipped: float32 [2]; inf at first."""
        known = (self._places < self._count).float()
        number = known.sum()
        mean = (self._values * known).sum(1) / number.clamp(min=1)
        squares = ((self._values - mean[:, None]).square() * known).sum(1)
        deviation = (squares / (number - 1).clamp(min=1)).sqrt()
        deviation = torch.maximum(deviation, _LEAST_DEVIATION * mean.abs())
        return torch.where(number >= max(2, self._least), mean + self._sigmas * deviation, math.inf)

    def forget(self) -> None:
        """Begin anew, as before the first step: where the data changes (another phase), the loss may jump."""
        self._count = torch.zeros_like(self._count)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors, for a checkpoint."""
        return {"values": self._values.clone(), "count": self._count.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there; a window of another size begins anew."""
        if state["values"].shape == self._values.shape:
            self._values = state["values"].to(self._values, copy=True)
            self._count = state["count"].to(self._count, copy=True)


class Rewind(NamedTuple):
    """Go back to the newest checkpoint before step `first`, the first of those that were skipped.

    steps: all of these, in order. why: one line.
    """

    first: int
    steps: tuple[int, ...]
    why: str


class Stop(NamedTuple):
    """End the run. why: one line that says what to do."""

    why: str


@dataclass
class Watch:
    """Decides, from what was skipped, whether to go back or to end. The same on every rank: it sees the same.

    spikes: steps of the run at which it was gone back before, from the reports in the store
    (trainer/report.py), so that a new process goes on counting.
    """

    config: Stability
    run: str = ""
    spikes: list[int] = field(default_factory=list)
    _recent: deque[tuple[int, bool]] = field(default_factory=deque)
    _skips: deque[int] = field(default_factory=deque)

    def note(self, step: int, loss: float, skipped: bool) -> Rewind | Stop | None:
        """Steps one after another, as soon as what was decided on the device is known here."""
        self._recent.append((step, skipped))
        while len(self._recent) > self.config.rewind_window:
            self._recent.popleft()
        if skipped:
            self._skips.append(step)
        skips = tuple(at for at, was in self._recent if was)
        if not math.isfinite(loss):
            return self._rewind(step, skips, f"the loss of step {step} is {loss}")
        if skipped and len(skips) >= self.config.rewind_after:
            among = f"{len(skips)} of the last {len(self._recent)} steps were skipped"
            return self._rewind(step, skips, f"{among}, the last at step {step} with a loss of {loss:.4g}")
        return self._too_many_skips(step)

    def _rewind(self, step: int, skips: Sequence[int], why: str) -> Rewind | Stop:
        self._recent.clear()
        self._skips = deque(at for at in self._skips if at not in skips)  # they are counted as one spike
        self.spikes.append(step)
        recent = [at for at in self.spikes if at > step - self.config.spike_window]
        if len(recent) > self.config.max_spikes:
            return Stop(
                f"{len(recent)} spikes within {self.config.spike_window} steps, more than stability.max_spikes "
                f"({self.config.max_spikes}); the last: {why}. See {reports(self.run, recent)}; then lower "
                "optimizer.learning_rate, mend the data, or raise stability.max_spikes, and start again"
            )
        steps = tuple(skips) or (step,)
        return Rewind(steps[0], steps, why)

    def _too_many_skips(self, step: int) -> Stop | None:
        while self._skips and self._skips[0] <= step - self.config.spike_window:
            self._skips.popleft()
        if len(self._skips) <= self.config.max_spikes * _SKIPS_PER_SPIKE:
            return None
        return Stop(
            f"{len(self._skips)} steps were skipped within {self.config.spike_window}, more than "
            f"{_SKIPS_PER_SPIKE} × stability.max_spikes ({self.config.max_spikes}); the last: step {step}. See "
            f"`skip` in train/{self.run}/events; then lower optimizer.learning_rate, mend the data, or raise "
            "stability.max_spikes, and start again"
        )


def reports(run: str, steps: Iterable[int]) -> str:
    """Where the reports of these spikes lie, for a message."""
    return ", ".join(report_key(run, step) for step in steps)


def report_key(run: str, step: int) -> str:
    """The name of the report of a spike at this step; its picture has .png instead of .json."""
    return f"train/{run}/spikes/step-{step:09d}.json"
