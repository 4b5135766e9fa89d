"""Logits of whole texts: windows of each, batches of like length, the mean over a text's windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.bert.description import Description
from trainer.bert.errors import JudgeError
from trainer.bert.vocabulary import Vocabulary
from trainer.bert.windows import text_windows

Array = np.ndarray[Any, Any]
# (input_ids, attention_mask), int64 [batch, length] -> logits by head, float32 [batch, n]
Infer = Callable[[Array, Array], Mapping[str, Array]]


def judge(
    infer: Infer, vocabulary: Vocabulary, description: Description, texts: Sequence[str]
) -> dict[str, Array]:
    """Logits by head, float32 [texts, n]."""
    cut = text_windows(vocabulary, texts, description.max_length - 2)
    rows = [vocabulary.wrap(window) for text in cut for window in text]
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in cut])
    sums = {name: np.zeros((len(texts), head.size), np.float64) for name, head in description.heads.items()}
    for batch in _batches(rows, description.max_batch_size):
        for name, logits in infer(*padded([rows[row] for row in batch], vocabulary.pad)).items():
            np.add.at(sums[name], owner[batch], logits)
    counts = np.bincount(owner, minlength=len(texts))[:, None]
    return {name: (total / counts).astype(np.float32) for name, total in sums.items()}


def inputs(
    vocabulary: Vocabulary, description: Description, texts: Sequence[str]
) -> Iterator[dict[str, Array]]:
    """What a network is fed when it judges the texts, run by run."""
    cut = text_windows(vocabulary, texts, description.max_length - 2)
    rows = [vocabulary.wrap(window) for text in cut for window in text]
    for batch in _batches(rows, description.max_batch_size):
        ids, mask = padded([rows[row] for row in batch], vocabulary.pad)
        yield {"input_ids": ids, "attention_mask": mask}


def _batches(rows: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Numbers of rows of like length, `size` at a time."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Array, Array]:
    """input_ids and attention_mask, int64 [rows, longest]."""
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), pad, np.int64)
    mask = np.zeros((len(rows), longest), np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return ids, mask


def by_torch(model: Any, description: Description, device: Any) -> Infer:
    """With the trained network."""
    import torch

    from trainer.bert.model import autocast

    model.to(device).eval()

    def infer(ids: Array, mask: Array) -> dict[str, Array]:
        with torch.inference_mode(), autocast(device):
            logits = model(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
        return {
            name: found.float().cpu().numpy() for name, found in zip(description.heads, logits, strict=True)
        }

    return infer


def by_onnx(path: Path, description: Description, threads: int = 0) -> Infer:
    """With an exported network, on the CPU: the heads described. threads 0: all. Raises JudgeError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each cause
        raise JudgeError(f"{path} cannot be loaded: {error}") from error
    there, names = [output.name for output in session.get_outputs()], list(description.heads)
    if not set(names) <= set(there):
        raise JudgeError(f"{path} puts out {', '.join(there)}; model.json says {', '.join(names)}")

    def infer(ids: Array, mask: Array) -> dict[str, Array]:
        return dict(zip(names, session.run(names, {"input_ids": ids, "attention_mask": mask}), strict=True))

    return infer
