"""What a weight is called here and there, and which shape it has."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.config import ModelConfig
from trainer.errors import CheckpointError
from trainer.model import Decoder

_OUTSIDE = {
    "embedding.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
}
_IN_LAYER = {
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.output": "mlp.down_proj",
}
_LAYER = re.compile(r"layers\.(\d+)\.(.+)\.weight")
_OURS_OUTSIDE = {theirs: ours for ours, theirs in _OUTSIDE.items()}
_OURS_IN_LAYER = {theirs: ours for ours, theirs in _IN_LAYER.items()}


def theirs(name: str) -> str:
    """`layers.0.attention.query.weight` → `model.layers.0.self_attn.q_proj.weight`. Raises KeyError."""
    if found := _LAYER.fullmatch(name):
        return f"model.layers.{found[1]}.{_IN_LAYER[found[2]]}.weight"
    return _OUTSIDE[name]


def ours(name: str) -> str:
    """The other way. Raises KeyError: no weight of a Llama is called so."""
    if found := _LAYER.fullmatch(name.removeprefix("model.")):
        return f"layers.{found[1]}.{_OURS_IN_LAYER[found[2]]}.weight"
    return _OURS_OUTSIDE[name]


def check_shapes(state: Mapping[str, Tensor], config: ModelConfig, source: object) -> None:
    """Raises CheckpointError: these are not the weights of such a model, by our names."""
    with torch.device("meta"):
        wanted = {name: tuple(one.shape) for name, one in Decoder(config).state_dict().items()}
    found = {name: tuple(one.shape) for name, one in state.items()}
    if wrong := sorted(name for name in wanted.keys() | found if wanted.get(name) != found.get(name)):
        name = wrong[0]
        raise CheckpointError(
            f"{source} is of another shape than its configuration says: {len(wrong)} tensors, the first "
            f"{name} {found.get(name, 'missing')}, which should be {wanted.get(name, 'absent')}"
        )
