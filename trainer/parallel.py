"""One model on one device or on many: process group, precision, checkpointed activations, compile, FSDP2.

    with process_group(config) as place:
        model = prepare(Decoder(config.model), config, place)

One process needs no group; under torchrun each joins one, gloo on CPU and NCCL on CUDA.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from trainer.config import TrainConfig
from trainer.errors import ConfigError
from trainer.model import Decoder


@dataclass(frozen=True)
class Place:
    """Which process of how many this is, and where it computes."""

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0


@contextmanager
def process_group(config: TrainConfig) -> Iterator[Place]:
    """Join the others that torchrun has started, and leave them at the end; alone, just choose the device.

    Raises ConfigError: there is no such device.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local_rank = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    device = _device(config.device, local_rank)
    if config.threads:
        torch.set_num_threads(config.threads)
    if world_size == 1:
        yield Place(device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Place(device, rank, world_size)
    finally:
        distributed.destroy_process_group()


def prepare(model: Decoder, config: TrainConfig, place: Place) -> nn.Module:
    """The model as it is trained, on its device. Parameters stay float32 and keep their names.

    Several processes: FSDP2 shards parameters layer by layer; with fsdp: false each has all of them (DDP).
    Both make gradients the mean over processes.
    """
    model.to(place.device)
    model.recompute = config.activation_checkpointing
    if config.compile:
        for layer in model.layers:
            layer.compile()  # layer by layer: one is compiled, the others are alike
    if place.world_size > 1 and config.fsdp:
        _shard(model, config, place)
        return model
    if config.precision == "bfloat16":
        model.autocast = torch.bfloat16
    if place.world_size == 1:
        return model
    return DistributedDataParallel(model, device_ids=[place.device] if place.device.type == "cuda" else None)


def _shard(model: Decoder, config: TrainConfig, place: Place) -> None:
    mesh = init_device_mesh(place.device.type, (place.world_size,))
    narrow = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    policy = MixedPrecisionPolicy(param_dtype=narrow, reduce_dtype=torch.float32)
    for layer in model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def _device(wanted: str, local_rank: int) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: there is no CUDA device that PyTorch can use; set device: cpu or auto")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
