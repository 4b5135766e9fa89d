"""A graph in 8 bits: faster, and a little off; drift.py measures how far."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def to_int8(full: Path, path: Path, rows: Iterable[Mapping[str, Array]]) -> None:
    """Every product with weights in 8 bits; the ranges of what is multiplied are those seen on `rows`.

    rows: inputs of runs of the network, some hundred windows in all. As ranges are fixed, a text's logits do
    not depend on what is judged with it; where they are taken from each run anew, they do. per_channel and
    reduce_range (7 bits): without VNNI two 8-bit products overflow 16 bits, and one outlier spoils a whole
    matrix. A MiniLM so quantised kept cosine .983 at least, .91 without either.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a preparation that costs more than it brings
    try:
        with tempfile.TemporaryDirectory() as scratch:
            quantised = Path(scratch) / "int8.onnx"
            quantize_static(
                full,
                quantised,
                _Reader(rows),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["MatMul"],
                nodes_to_quantize=_with_weights(onnx.load(str(full)).graph),
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
            )
            model = onnx.load(str(quantised))
            _keep_apart(model.graph)
            onnx.save(model, str(path))
    finally:
        root.setLevel(level)


class _Reader:
    """As onnxruntime asks for inputs: one by one, then None."""

    def __init__(self, rows: Iterable[Mapping[str, Array]]) -> None:
        self._rows = iter(rows)

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self._rows, None)


def _with_weights(graph: Any) -> list[str]:
    """Products with weights: not those inside of attention, which lose more than they win."""
    weights = {each.name for each in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights]


def _keep_apart(graph: Any) -> None:
    """Sums that a normalisation follows as Sum, which onnxruntime leaves alone: of Add and normalisation it
    makes one step that takes three times as long (seen on 1.32, one thread, 128 wide).
    """
    normalised = {node.input[0] for node in graph.node if node.op_type == "LayerNormalization"}
    for node in graph.node:
        if node.op_type == "Add" and node.output[0] in normalised:
            node.op_type = "Sum"
