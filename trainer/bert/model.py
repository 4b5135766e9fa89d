"""The network: an encoder, the mean of its last states, and a linear head for each judgement."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, BertConfig, ElectraConfig
from transformers.utils import logging as transformers_logging

from trainer.bert.description import FILE, Description
from trainer.bert.errors import JudgeError
from trainer.bert.predict import padded
from trainer.bert.recipe import EncoderConfig
from trainer.bert.thin import thin_states
from trainer.bert.vocabulary import Vocabulary

WEIGHTS = "weights.safetensors"


class JudgeModel(nn.Module):
    """(input_ids, attention_mask), int64 [batch, length] -> float32 [batch, n] for each head, in order.

    The mean over the text's tokens judges a small encoder better than its [CLS], which only long
    pre-training on sentence pairs makes meaningful. Where the encoder's configuration has
    `every`, the mean is over every so many tokens, see thin.py.
    """

    def __init__(self, encoder: nn.Module, heads: Mapping[str, int], dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        width = width_of(encoder)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in heads.items()})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Logits."""
        config: Any = self.encoder.config
        every = getattr(config, "every", 1)
        if every > 1:
            last = thin_states(self.encoder, input_ids, attention_mask, every)
            mean = mean_of(last, attention_mask[:, ::every])
        else:
            mean = mean_state(self.encoder, input_ids, attention_mask)
        pooled = self.dropout(mean)
        return tuple(head(pooled).float() for head in self.heads.values())


def width_of(encoder: nn.Module) -> int:
    """Width of the encoder's states (DistilBERT's configuration maps its own name to this one)."""
    config: Any = encoder.config
    return int(config.hidden_size)


def states(encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Last states, [batch, length, width]."""
    found: Tensor = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return found


def mean_state(encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean of the states of the tokens that are there, float32 [batch, width]."""
    return mean_of(states(encoder, input_ids, attention_mask), attention_mask)


def mean_of(last: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean over the tokens that are there, float32 [batch, width]."""
    there = attention_mask.unsqueeze(-1).float()
    return (last.float() * there).sum(1) / there.sum(1).clamp(min=1.0)


def build_encoder(config: EncoderConfig, vocabulary: Vocabulary, max_length: int) -> nn.Module:
    """A new BERT (ELECTRA's shape where the embeddings are narrower), weights drawn at random."""
    shape: dict[str, Any] = {
        "vocab_size": vocabulary.size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.inner,
        "max_position_embeddings": max_length,
        "type_vocab_size": 1,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "pad_token_id": vocabulary.pad,
    }
    if config.embedding and config.embedding != config.width:
        return _from_config(ElectraConfig(embedding_size=config.embedding, **shape))
    return _from_config(BertConfig(**shape))


def open_encoder(path: str, max_length: int) -> nn.Module:
    """A Hugging Face encoder from a folder; nothing is downloaded. Raises JudgeError."""
    if not Path(path).is_dir():
        raise JudgeError(f"encoder {path}: no such folder; nothing is downloaded, so give the model's folder")
    try:
        with _quiet():
            encoder: nn.Module = AutoModel.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise JudgeError(f"encoder {path} cannot be opened: {error}") from error
    _drop_pooler(encoder)
    config: Any = encoder.config
    # RoBERTa's positions begin after the padding's id, so two fewer are usable.
    usable = config.max_position_embeddings - (2 if "roberta" in config.model_type else 0)
    if max_length > usable:
        raise JudgeError(f"encoder {path} sees at most {usable} tokens: set max_length to that or less")
    return encoder


def save(folder: Path, model: JudgeModel, vocabulary: Vocabulary, description: Description) -> None:
    """Everything that `load` needs."""
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = model.encoder.config
    config.save_pretrained(folder)
    save_file(
        {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, folder / WEIGHTS
    )
    (folder / "tokenizer.json").write_text(vocabulary.to_json(), encoding="utf-8")
    (folder / FILE).write_text(description.to_json(), encoding="utf-8")


def load(folder: Path) -> tuple[JudgeModel, Vocabulary, Description]:
    """What `save` wrote, ready to judge. Raises JudgeError."""
    if not (folder / WEIGHTS).exists():
        raise JudgeError(f"{folder} holds no trained model ({WEIGHTS}): give the --out of `judge train`")
    description = Description.load(folder)
    vocabulary = Vocabulary.load(folder)
    encoder = _from_config(AutoConfig.from_pretrained(folder, local_files_only=True))
    model = JudgeModel(encoder, {name: head.size for name, head in description.heads.items()})
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise JudgeError(f"{folder / WEIGHTS} does not fit the model.json beside it: {error}") from error
    return model.eval(), vocabulary, description


def pick_device(name: str = "auto") -> torch.device:
    """The device named; auto: cuda where there is one, else cpu. Raises JudgeError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise JudgeError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on CUDA, float32 elsewhere: bfloat16 is slower on most CPUs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def tensors(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """`padded` on the device."""
    ids, mask = padded(rows, pad)
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def _from_config(config: Any) -> nn.Module:
    encoder: nn.Module = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    _drop_pooler(encoder)
    return encoder


def _drop_pooler(encoder: Any) -> None:
    """It would be trained by nothing and exported for nothing."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No report of the weights that are not taken over (a pooler, another task's head)."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
