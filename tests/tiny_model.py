"""A tiny judge for tests: random weights, always the same for a seed, in a whole model folder.

Logits depend on every token, on its place and on the mask, so that a wrong padding, a wrong window or
a row that was answered for another one shows. It knows nothing: no test may ask whether it is right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

LABELS = ("book", "code", "encyclopedia", "math", "news", "web")
MAX_LENGTH, MAX_BATCH_SIZE = 64, 16
PAD, UNKNOWN, CLS, SEP = range(4)
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_ASCII = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
_HAN = [chr(code) for code in range(0x4E00, 0x9FA6)]
VOCABULARY = (*_SPECIAL, *_ASCII, *(f"##{each}" for each in _ASCII if each.isalnum()), *_HAN, "，", "。")


def make(
    repository: Path,
    name: str = "judge",
    versions: Sequence[int] = (1,),
    seed: int = 0,
    *,
    width: int = 16,
    layers: int = 0,
    max_length: int = MAX_LENGTH,
) -> Path:
    """Write the model folder `repository/name` and return it. Each version has weights of its own.

    width, layers: size of the token vectors and how many dense layers run over each of them; more of
    both makes it slower, for tests that need a model that takes time.
    """
    folder = repository / name
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "name": name,
        "max_length": max_length,
        "pad_id": PAD,
        "cls_id": CLS,
        "sep_id": SEP,
        "heads": {
            "category": {"kind": "classes", "labels": LABELS, "temperature": 1.5},
            "quality": {"kind": "score"},
        },
        "max_batch_size": MAX_BATCH_SIZE,
    }
    (folder / "model.json").write_text(json.dumps(description, indent=1))
    (folder / "tokenizer.json").write_text(tokenizer().to_str())
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    (folder / "config.pbtxt").write_text(_config(name, digest))
    (folder / "card.md").write_text(f"# {name}\n\nRandom weights, for tests.\n")
    for version in versions:
        add_version(folder, version, seed, width=width, layers=layers)
    return folder


def add_version(
    folder: Path,
    version: int,
    seed: int = 0,
    *,
    width: int = 16,
    layers: int = 0,
    num_labels: int = len(LABELS),
) -> Path:
    """Write one version beside the others, as a roll-out does: whole at once. Returns its model.onnx.

    num_labels: of the head category; another number than the description's makes a version that is wrong.
    """
    max_length = json.loads((folder / "model.json").read_text())["max_length"]
    hidden = folder / f".{version}"
    hidden.mkdir()
    onnx.save(graph(seed * 1000 + version, width, layers, max_length, num_labels), hidden / "model.onnx")
    hidden.rename(folder / str(version))
    return folder / str(version) / "model.onnx"


def tokenizer() -> Tokenizer:
    """WordPiece over single characters: lower case, a Han character alone, [UNK] for what it cannot spell."""
    made = Tokenizer(
        models.WordPiece(
            vocab={token: number for number, token in enumerate(VOCABULARY)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(list(_SPECIAL))
    return made


def graph(seed: int, width: int, layers: int, max_length: int, num_labels: int) -> onnx.ModelProto:
    """(token vector x place vector, dense layers) -> mean over the mask -> one matrix for each head."""
    rng = np.random.default_rng(seed)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        scale = 1.0 if len(shape) == 1 or name in {"tokens", "places"} else 2.0 / np.sqrt(shape[0])
        return numpy_helper.from_array((rng.standard_normal(shape) * scale).astype(np.float32), name)

    constants = [weights("tokens", len(VOCABULARY), width), weights("places", max_length, width)]
    constants += [weights(f"dense{layer}", width, width) for layer in range(layers)]
    constants += [weights("category_matrix", width, num_labels), weights("quality_matrix", width, 1)]
    constants += [
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in {"one": 1, "axis1": [1], "axis2": [2]}.items()
    ]
    node = helper.make_node
    nodes = [
        node("Gather", ["tokens", "input_ids"], ["token_vectors"]),
        node("CumSum", ["attention_mask", "one"], ["counts"]),  # 1, 2, 3 … over what is not padding
        node("Sub", ["counts", "one"], ["place"]),
        node("Gather", ["places", "place"], ["place_vectors"]),
        node("Mul", ["token_vectors", "place_vectors"], ["state0"]),
    ]
    for layer in range(layers):
        nodes.append(node("MatMul", [f"state{layer}", f"dense{layer}"], [f"sum{layer}"]))
        nodes.append(node("Tanh", [f"sum{layer}"], [f"state{layer + 1}"]))
    nodes += [
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "axis2"], ["wide_mask"]),
        node("Mul", [f"state{layers}", "wide_mask"], ["masked"]),
        node("ReduceSum", ["masked", "axis1"], ["total"], keepdims=0),
        node("ReduceSum", ["mask", "axis1"], ["count"], keepdims=1),
        node("Div", ["total", "count"], ["mean"]),
        node("MatMul", ["mean", "category_matrix"], ["category"]),
        node("MatMul", ["mean", "quality_matrix"], ["quality"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in {"category": num_labels, "quality": 1}.items()
    ]
    made = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(made)
    return made


def _config(name: str, digest: str) -> str:
    heads = {"category": len(LABELS), "quality": 1}
    inputs = ", ".join(
        f'{{ name: "{each}" data_type: TYPE_INT64 dims: [ -1 ] }}' for each in ("input_ids", "attention_mask")
    )
    outputs = ", ".join(
        f'{{ name: "{each}" data_type: TYPE_FP32 dims: [ {size} ] }}' for each, size in heads.items()
    )
    return f"""name: "{name}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH_SIZE}
input [ {inputs} ]
output [ {outputs} ]
dynamic_batching {{ max_queue_delay_microseconds: 1000 }}
version_policy {{ latest {{ num_versions: 1 }} }}
parameters {{ key: "tokenizer_sha256" value {{ string_value: "{digest}" }} }}
"""
