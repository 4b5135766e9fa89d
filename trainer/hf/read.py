"""A folder of Hugging Face's Llama as our weights, and a training that begins with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from trainer.config import ModelConfig, TrainConfig
from trainer.errors import CheckpointError, ConfigError
from trainer.hf.export import FIXED
from trainer.hf.names import check_shapes, ours
from trainer.hf.pieces import Imported, extend, read_json
from trainer.model import Decoder


def read(folder: Path, pieces: Path | None = None) -> Imported:
    """A folder of Hugging Face's Llama as our configuration and weights, float32.

    Raises ConfigError: files are missing or damaged, another architecture or shape, pieces of another model.
    """
    config = _config_in(folder)
    state = dict(_renamed(_tensors(folder), folder))
    if config.tied:
        state["head.weight"] = state.get("embedding.weight", torch.empty(0))
    try:
        check_shapes(state, config, folder)
    except CheckpointError as error:
        raise ConfigError(str(error)) from error
    imported = Imported(config, state)
    return extend(imported, pieces) if pieces else imported


def start(model: Decoder, config: TrainConfig) -> None:
    """Weights of a model that begins as config.start says; nothing where it says nothing.

    Raises ConfigError, also where the folder's model is of another shape or vocabulary than the config's.
    """
    if not config.start.folder:
        return
    pieces = Path(config.start.pieces) if config.start.pieces else None
    found = read(Path(config.start.folder), pieces)
    has, wants = asdict(_resolved(found.config)), asdict(_resolved(model.config))
    if other := [f"{name} {has[name]} (model: {wants[name]})" for name in wants if has[name] != wants[name]]:
        raise ConfigError(
            f"start.folder: {config.start.folder} has {', '.join(other)}; `python -m trainer.hf import "
            f"{config.start.folder}` prints the model section that fits"
        )
    if found.vocabulary and config.data.vocabulary not in ("", found.vocabulary):
        raise ConfigError(f"start.pieces: is of vocabulary {found.vocabulary}, not data.vocabulary")
    model.load_state_dict(found.state)


def _renamed(tensors: Iterator[tuple[str, Tensor]], folder: Path) -> Iterator[tuple[str, Tensor]]:
    for name, one in tensors:
        if name.endswith("rotary_emb.inv_freq"):
            continue  # older files keep what follows from rope_theta
        try:
            yield ours(name), one.float()
        except KeyError:
            raise ConfigError(f"{folder}: {name} is no weight of a Llama model") from None


def _config_in(folder: Path) -> ModelConfig:
    about = read_json(folder / "config.json")
    rope = about.get("rope_parameters") or about.get("rope_scaling") or {}
    wrong = [f"{key} {about[key]}" for key, value in FIXED.items() if about.get(key, value) != value]
    if (kind := rope.get("rope_type", rope.get("type", "default"))) != "default":
        wrong.append(f"rope_type {kind}")
    try:
        config = ModelConfig(
            dim=about["hidden_size"],
            num_layers=about["num_hidden_layers"],
            num_heads=about["num_attention_heads"],
            num_kv_heads=about.get("num_key_value_heads") or 0,
            hidden_dim=about["intermediate_size"],
            vocab_size=about["vocab_size"],
            rope_theta=float(rope.get("rope_theta") or about.get("rope_theta", 10_000.0)),
            norm_eps=about.get("rms_norm_eps", 1e-6),
            tied=about.get("tie_word_embeddings", False),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{folder}/config.json is no Llama: {error}") from error
    if (width := about.get("head_dim") or config.head_dim) != config.head_dim:
        wrong.append(f"head_dim {width}")
    if wrong:
        raise ConfigError(f"{folder} has {', '.join(wrong)}; only a plain Llama can be gone on with")
    return config


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = folder / "model.safetensors.index.json"
    names = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
    for name in names:
        try:
            yield from load_file(folder / Path(name).name).items()
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"{folder / name} cannot be read: {error}") from error


def _resolved(config: ModelConfig) -> ModelConfig:
    return replace(config, num_kv_heads=config.kv_heads, hidden_dim=config.mlp_dim)
