"""Heads of words in an exported network: put in beside what stands there, read out, carried on.

Nothing that is in the network changes, so its other outputs stay as they are, bit for bit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from trainer.bert.words import LEFT, PAIRS, RIGHT, Words

_TOKENS, _PAIRS, _BIAS = ".words.tokens", ".words.pairs", ".words.bias"


def heads(network: Path) -> dict[str, Words]:
    """The heads of words of a network, by name."""
    arrays = {each.name: each for each in onnx.load(str(network)).graph.initializer}
    names = [name.removesuffix(_TOKENS) for name in arrays if name.endswith(_TOKENS)]
    return {
        name: Words(
            numpy_helper.to_array(arrays[name + _TOKENS]),
            numpy_helper.to_array(arrays[name + _PAIRS]),
            float(numpy_helper.to_array(arrays[name + _BIAS])),
        )
        for name in names
    }


def put(network: Path, name: str, words: Words, out: Path) -> None:
    """Write the network with the head `name`, float32 [batch, 1]; one of that name is replaced."""
    model = onnx.load(str(network))
    graph = model.graph
    _remove(graph, name)
    at = f"{name}.words"
    arrays = {
        f"{name}{_TOKENS}": words.tokens,
        f"{name}{_PAIRS}": words.pairs,
        f"{name}{_BIAS}": np.float32(words.bias),
        f"{at}.left": np.int64(LEFT),
        f"{at}.right": np.int64(RIGHT),
        f"{at}.buckets": np.int64(PAIRS),
        f"{at}.first": np.array([0]),
        f"{at}.second": np.array([1]),
        f"{at}.last": np.array([-1]),
        f"{at}.end": np.array([np.iinfo(np.int64).max]),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(each), key) for key, each in arrays.items())
    made: list[onnx.NodeProto] = []

    def node(kind: str, result: str, *inputs: str, **attributes: Any) -> str:
        made.append(helper.make_node(kind, inputs, [f"{at}.{result}"], f"{at}.{result}", **attributes))
        return f"{at}.{result}"

    axis = f"{at}.second"  # 1: along the tokens
    there = node("Cast", "there", "attention_mask", to=TensorProto.FLOAT)
    left = node("Slice", "ids_left", "input_ids", f"{at}.first", f"{at}.last", axis)
    right = node("Slice", "ids_right", "input_ids", f"{at}.second", f"{at}.end", axis)
    both = node("Slice", "pair_there", there, f"{at}.second", f"{at}.end", axis)
    mixed = node("Add", "mixed", node("Mul", "l", left, f"{at}.left"), node("Mul", "r", right, f"{at}.right"))
    bucket = node("Mod", "bucket", mixed, f"{at}.buckets")
    of_tokens = node("Mul", "t", node("Gather", "token_weights", f"{name}{_TOKENS}", "input_ids"), there)
    of_pairs = node("Mul", "p", node("Gather", "pair_weights", f"{name}{_PAIRS}", bucket), both)
    sums = node(
        "Add", "sum",
        node("ReduceSum", "token_sum", of_tokens, axis, keepdims=1),
        node("ReduceSum", "pair_sum", of_pairs, axis, keepdims=1),
    )  # fmt: skip
    root = node("Sqrt", "root", node("ReduceSum", "number", there, axis, keepdims=1))
    made.append(
        helper.make_node("Add", [node("Div", "scaled", sums, root), f"{name}{_BIAS}"], [name], f"{at}.logit")
    )
    graph.node.extend(made)
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]))
    onnx.checker.check_model(model)
    new = out.with_name(out.name + ".new")
    onnx.save(model, str(new))
    os.replace(new, out)


def _remove(graph: onnx.GraphProto, name: str) -> None:
    """The head, where it is there. Raises ValueError where one of that name is no head of words."""
    outputs = [each for each in graph.output if each.name == name]
    if outputs and not any(each.name == name + _TOKENS for each in graph.initializer):
        raise ValueError(f"the head {name} is of another kind: it was trained with the network")
    beginning = f"{name}.words."
    for weight in [each for each in graph.initializer if each.name.startswith(beginning)]:
        graph.initializer.remove(weight)
    for node in [each for each in graph.node if each.name.startswith(beginning)]:
        graph.node.remove(node)
    for output in outputs:
        graph.output.remove(output)
