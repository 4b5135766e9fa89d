"""A model that is made in a moment, and packed sequences for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trainer.config import ModelConfig
from trainer.model import Decoder

CONFIG = ModelConfig(dim=32, num_layers=2, num_heads=4, num_kv_heads=2, vocab_size=97)


def model(seed: int = 0, **changes: object) -> Decoder:
    """Weights larger than at the beginning of training, so that attention matters."""
    torch.manual_seed(seed)
    made = Decoder(replace(CONFIG, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(10)
    return made


def packed(sequences: Sequence[Sequence[int]], length: int, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, positions and documents (len(sequences), length) of documents so long; the rest is padding."""
    torch.manual_seed(seed)
    tokens = torch.randint(1, CONFIG.vocab_size, (len(sequences), length))
    positions, documents = torch.zeros_like(tokens), torch.full(tokens.shape, -1, dtype=torch.int32)
    for row, lengths in enumerate(sequences):
        start = 0
        for number, size in enumerate(lengths):
            documents[row, start : start + size] = number
            positions[row, start : start + size] = torch.arange(size)
            start += size
        tokens[row, start:] = 0
    return tokens, positions, documents
