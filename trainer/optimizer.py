"""AdamW, whose update the device itself can leave out.

A step that the detector refuses must not wait for the host to say so: torch's fused kernels read a flag on the
device (`found_inf`, made for gradient scaling) and leave weights, moments and step counts as they are where it
is 1. So nothing is copied, nothing synchronises, and a refused step is no step at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

if TYPE_CHECKING:
    from trainer.config import OptimizerConfig


class Optimizer(torch.optim.AdamW):
    """Weight decay on matrices only; norms' gains, being vectors, have none."""

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        learning = [each for each in model.parameters() if each.requires_grad]
        groups = [[each for each in learning if (each.ndim >= 2) == matrices] for matrices in (True, False)]
        super().__init__([{"params": each} for each in groups if each], lr=config.learning_rate, fused=True)
        self.apply(config)

    def apply(self, config: OptimizerConfig) -> None:
        """Take over a config's values, as after a checkpoint that was made with others."""
        for group in self.param_groups:
            decays = group["params"][0].ndim >= 2
            group["betas"], group["eps"] = tuple(config.betas), config.eps
            group["weight_decay"] = config.weight_decay if decays else 0.0

    def update(self, learning_rate: float, skip: Tensor) -> None:
        """One step. skip: (), float32, on the parameters' device; at 1 nothing is changed."""
        for group in self.param_groups:
            group["lr"] = learning_rate
        self.found_inf = skip
        try:
            self.step()
        finally:
            del self.found_inf


def clip(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients down to a global L2 norm of `limit` (0: never); returns what the norm was, ().

    Over all shards: under FSDP2 each gradient is a DTensor, and so is the norm until it is summed up.
    """
    grads = [each.grad for each in parameters if each.grad is not None]
    norm = get_total_norm(grads)
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    if limit > 0:
        scale = torch.clamp(limit / (norm + 1e-6), max=1.0)
        for grad in grads:
            local = grad.to_local() if isinstance(grad, DTensor) else grad
            local.mul_(scale)
    return norm
