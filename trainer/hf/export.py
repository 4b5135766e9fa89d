"""A folder that transformers loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from trainer.config import ModelConfig
from trainer.errors import CheckpointError, ConfigError
from trainer.hf.names import check_shapes, theirs

# What a config.json may say otherwise, and our model does not have.
FIXED = {
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "pretraining_tp": 1,
}


@dataclass(frozen=True)
class Tokenizer:
    """What goes beside the weights. content: of a tokenizer.json. size: its highest id plus one.

    end, end_token: id and name of the token that ends a document.
    """

    content: bytes
    size: int
    end: int
    end_token: str

    @classmethod
    def read(cls, content: bytes, end_token: str, source: object) -> Tokenizer:
        """Raises ConfigError: this is no tokenizer.json, or it has no such token."""
        try:
            definition = json.loads(content)
            ids = definition["model"]["vocab"] if isinstance(definition["model"]["vocab"], dict) else {}
            ids = ids | {token["content"]: token["id"] for token in definition.get("added_tokens", ())}
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{source} is no tokenizer.json; `corpusworks tokenizer convert FILE --out tokenizer.json` "
                "makes one of tiktoken ranks"
            ) from error
        if end_token not in ids:
            raise ConfigError(f"{source} has no token {end_token}; name its end of document by --end-token")
        return cls(content, max(ids.values()) + 1, ids[end_token], end_token)


def export(
    state: Mapping[str, Tensor],
    config: ModelConfig,
    folder: Path,
    tokenizer: Tokenizer | None = None,
    context: int = 2048,
) -> None:
    """Write a folder that transformers loads as LlamaForCausalLM: float32 weights, configs, tokenizer.

    context: tokens that the model was trained on at a time.
    Raises ConfigError: the folder has something in it, or cannot be written; CheckpointError: the state is
    not that of such a model, or has too few rows for the tokenizer.
    """
    from safetensors.torch import save_file

    check_shapes(state, config, "the checkpoint")
    if tokenizer and tokenizer.size > config.vocab_size:
        raise CheckpointError(
            f"the tokenizer has {tokenizer.size} ids, and the model {config.vocab_size} rows: give the tokenizer "
            "that it was trained with"
        )
    skipped = {"head.weight"} if config.tied else set()
    renamed = {theirs(name): one.float().contiguous() for name, one in state.items() if name not in skipped}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"--out {folder} has something in it; name another folder")
        save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
        for name, content in _files(config, tokenizer, context).items():
            (folder / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        if tokenizer:
            (folder / "tokenizer.json").write_bytes(tokenizer.content)
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be written: {error.strerror or error}") from error


def _files(config: ModelConfig, tokenizer: Tokenizer | None, context: int) -> dict[str, dict[str, Any]]:
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.end if tokenizer else None}
    about = {
        "architectures": ["LlamaForCausalLM"],
        **FIXED,
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.mlp_dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": context,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tied,
        "torch_dtype": "float32",
        **ends,
    }
    files: dict[str, dict[str, Any]] = {"config.json": about, "generation_config.json": ends}
    if tokenizer:
        files["tokenizer_config.json"] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": tokenizer.end_token,
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
        }
    return files
