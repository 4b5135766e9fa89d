"""One step: gradients of a global batch, clipped, and the update unless the detector refuses it.

Training and replay both come through here, so that a replay computes what training did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from trainer.agreement import Agreement
from trainer.optimizer import clip

if TYPE_CHECKING:
    from trainer.data.batch import Batch
    from trainer.optimizer import Optimizer


class Outcome(NamedTuple):
    """What a step measured, on the device; nothing has waited for it.

    loss: (), mean over the targets of the global batch. gradient_norm: (), before clipping. skip: (), 1 where
    no weight was changed. losses: of the tokens of each micro-batch of this rank, (B, L) float32, 0 where there
    is no target. num_targets: of the global batch.
    """

    loss: Tensor
    gradient_norm: Tensor
    skip: Tensor
    losses: list[Tensor]
    num_targets: int


@dataclass(frozen=True)
class Update:
    """Does steps with a model. limit: of the gradient's norm. by_document: attention stays within documents.

    The loss is the sum over the tokens divided by the number of targets of the whole global batch: a mean of
    the micro-batches' means would weigh a token by how much padding lies beside it.
    """

    model: nn.Module
    optimizer: Optimizer
    limit: float
    device: torch.device
    agreement: Agreement
    by_document: bool = True
    world_size: int = 1

    def __call__(self, batches: Sequence[Batch], learning_rate: float, detector: Any = None) -> Outcome:
        """Collective. batches: this rank's. detector: observe(loss, gradient_norm) → skip; None: never skips.

        A gradient that is no number is never applied.
        """
        num_targets = self.agreement.total(sum(int((batch.targets >= 0).sum()) for batch in batches))
        # FSDP and DDP average over ranks; what is wanted is the sum.
        scale = self.world_size / max(1, num_targets)
        loss = torch.zeros((), device=self.device)
        losses = []
        for number, batch in enumerate(batches, start=1):
            self._synchronise(number == len(batches))
            share, of_tokens = self._forward(batch.to(self.device), scale)
            share.backward()
            loss += share.detach()
            losses.append(of_tokens)
        loss /= self.world_size
        if self.world_size > 1:
            dist.all_reduce(loss)
        norm = clip(self.model.parameters(), self.limit)
        skip = (~(torch.isfinite(loss) & torch.isfinite(norm))).float()
        if detector is not None:
            skip = torch.maximum(skip, detector.observe(loss, norm))
        self.optimizer.update(learning_rate, skip)
        self.optimizer.zero_grad(set_to_none=True)
        return Outcome(loss, norm, skip, losses, num_targets)

    def _forward(self, batch: Batch, scale: float) -> tuple[Tensor, Tensor]:
        documents = batch.documents if self.by_document else None
        loss, losses = self.model(batch.tokens, batch.positions, documents, batch.targets, scale)
        return loss, losses

    def _synchronise(self, last: bool) -> None:
        """Gradients are summed over ranks once a step, with its last micro-batch."""
        if isinstance(self.model, FSDPModule):
            self.model.set_requires_gradient_sync(last)
        elif isinstance(self.model, DistributedDataParallel):
            self.model.require_backward_grad_sync = last
