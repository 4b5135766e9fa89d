"""The encoder of a judge that was exported, as a transformers folder: to teach it on.

Weights in 8 bits come back as the values that they stand for. Its tokenizer is kept, and so are the word
embeddings; the heads are new, `judge train` makes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from transformers import AutoModel, BertConfig

from trainer.bert.description import Description
from trainer.bert.errors import JudgeError
from trainer.bert.recipe import EncoderConfig

# In the order in which a layer multiplies by them; the exporter transposes them and names them itself.
_PRODUCTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
_PRODUCT = r"onnx::MatMul_\d+(_quantized)?"
_THIN = ("attention.self.key", "attention.self.value", "attention.self.query", *_PRODUCTS[3:])  # thin_states'


def restore(model: Path, out: Path, shape: EncoderConfig) -> None:
    """Of `model`, the folder of a judge in a repository, its newest version. Raises JudgeError."""
    description = Description.load(model)
    newest = max((int(path.name) for path in model.iterdir() if path.name.isdigit()), default=0)
    found = onnx.load(str(model / str(newest) / "model.onnx")).graph.initializer
    arrays = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in found}
    weights = {
        name.removeprefix("encoder."): array for name, array in arrays.items() if name.startswith("encoder.")
    }
    products = [_whole(arrays, name) for name in arrays if re.fullmatch(_PRODUCT, name)]
    vocabulary, width = weights["embeddings.word_embeddings.weight"].shape
    bias = f"encoder.layer.{shape.layers - 1}.attention.self.key.bias"
    thin = bias not in weights  # the last layer does without it
    weights.setdefault(bias, torch.zeros(width))
    for place, product in enumerate(products):
        layer, part = divmod(place, len(_PRODUCTS))
        names = _THIN if thin and layer == shape.layers - 1 else _PRODUCTS
        weights[f"encoder.layer.{layer}.{names[part]}.weight"] = product.T.contiguous()
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=description.max_length,
        type_vocab_size=1,
        pad_token_id=description.pad_id,
    )
    encoder = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    encoder.pooler = None
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise JudgeError(f"{model} is no judge of the default's shape: {error}") from error
    out.mkdir(parents=True, exist_ok=True)
    encoder.save_pretrained(out)
    (out / "tokenizer.json").write_text(
        (model / "tokenizer.json").read_text(encoding="utf-8"), encoding="utf-8"
    )


def _whole(arrays: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """A product's weights in 32 bits: in 8 bits each column has a scale (quantise.py)."""
    found = arrays[name]
    scale = arrays.get(f"{name.removesuffix('_quantized')}_scale")
    return found if scale is None else found.float() * scale
