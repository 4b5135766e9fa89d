"""A model of an extended vocabulary: its new rows.

`pieces.json`, of `corpusworks tokenizer extend`, says by which old tokens each new one was written. Its row
begins as their mean (Gee et al. 2022, "Fast Vocabulary Transfer for Language Model Compression").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.config import ModelConfig
from trainer.errors import ConfigError


@dataclass(frozen=True)
class Imported:
    """A model that was read. vocabulary: digest of the extended one; empty where none was extended."""

    config: ModelConfig
    state: dict[str, Tensor]
    vocabulary: str = ""


def extend(model: Imported, path: Path) -> Imported:
    """The model with rows for the new tokens, in embedding and head.

    Rows beyond the old vocabulary, which some models have so that their number is round, are taken first.
    Raises ConfigError: no pieces.json, or one of another model.
    """
    about = read_json(path)
    try:
        old, size, digest = int(about["of_size"]), int(about["size"]), str(about["digest"])
        pieces = {int(new): [int(piece) for piece in ids] for new, ids in about["pieces"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} is no pieces.json of `corpusworks tokenizer extend` ({type(error).__name__}: {error})"
        ) from error
    if old > model.config.vocab_size:
        raise ConfigError(
            f"{path} extends a vocabulary of {old}, and the model has {model.config.vocab_size} rows: one of "
            "them is another vocabulary's"
        )
    whole = all(ids and min(ids) >= 0 and max(ids) < old for ids in pieces.values())
    if sorted(pieces) != list(range(old, size)) or not whole:
        raise ConfigError(f"{path} is damaged: ids {old} to {size - 1} should each have pieces below {old}")
    config = replace(model.config, vocab_size=max(size, model.config.vocab_size))
    state = dict(model.state)
    state["embedding.weight"] = _with_rows(state["embedding.weight"], config.vocab_size, pieces)
    if config.tied:
        state["head.weight"] = state["embedding.weight"]
    else:
        state["head.weight"] = _with_rows(state["head.weight"], config.vocab_size, pieces)
    return Imported(config, state, digest)


def read_json(path: Path) -> dict[str, Any]:
    """Raises ConfigError."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} should hold an object")
    return content


def _with_rows(table: Tensor, num_rows: int, pieces: Mapping[int, list[int]]) -> Tensor:
    """table: (rows, dim) → (num_rows, dim)."""
    grown = torch.cat((table, table.new_zeros(num_rows - len(table), table.shape[1])))
    for new, ids in pieces.items():
        grown[new] = table[ids].mean(dim=0)
    return grown
