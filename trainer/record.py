"""What a step is written down as: a row of the step log for each micro-batch, by rank 0 for all ranks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from trainer.steplog import Row, code_digest

if TYPE_CHECKING:
    from trainer.agreement import Agreement
    from trainer.config import TrainConfig
    from trainer.data.loader import Step
    from trainer.parallel import Place
    from trainer.update import Outcome


@dataclass(frozen=True)
class Recorder:
    """Makes the rows of steps. on_cpu: the numbers can be computed again, bit for bit."""

    config: TrainConfig
    place: Place
    agreement: Agreement

    def rows(self, step: Step, outcome: Outcome, learning_rate: float) -> list[Row]:
        """Collective; the rows of all ranks on rank 0, none elsewhere."""
        mine = [_by_sequence(losses, batch.targets) for losses, batch in zip(outcome.losses, step.batches, strict=True)]
        losses, tokens = (torch.cat(each) for each in zip(*mine, strict=True))
        shares = self.agreement.gather((losses.tolist(), tokens.tolist()))
        if not self.place.leads:
            return []
        all_losses = [loss for of_rank, _ in shares for loss in of_rank]
        all_tokens = [count for _, of_rank in shares for count in of_rank]
        loss, norm, skipped = torch.stack([outcome.loss, outcome.gradient_norm, outcome.skip]).tolist()
        size = self.config.data.micro_batch_size
        per_rank = len(step.indices) // self.place.world_size
        rng = hashlib.blake2b(torch.get_rng_state().numpy().tobytes(), digest_size=8).hexdigest()
        found = []
        for begin in range(0, len(step.indices), size):
            part = slice(begin, begin + size)
            found.append(
                Row(
                    step=step.number,
                    micro_step=begin % per_rank // size,
                    rank=begin // per_rank,
                    boundary=(begin + size) % per_rank == 0,
                    indices=step.indices[part],
                    parts=[name for name, _ in step.places[part]],
                    sequences=[sequence for _, sequence in step.places[part]],
                    losses=all_losses[part],
                    learning_rate=learning_rate,
                    digest=step.digest,
                    recipe=step.recipe,
                    phase=step.phases[begin],
                    seed=self.config.data.seed,
                    rng=rng,
                    world_size=self.place.world_size,
                    code=code_digest(),
                    deterministic=self.place.device.type == "cpu",
                    tokens=sum(all_tokens[part]),
                    loss=loss,
                    gradient_norm=norm,
                    skipped=skipped > 0,
                )
            )
        return found


def _by_sequence(losses: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean loss and number of targets of each sequence, (B,) each."""
    tokens = (targets >= 0).sum(1)
    return losses.sum(1).cpu() / tokens.clamp(min=1), tokens
