"""Which blocks of a page are its main text: articles, the posts of a thread, documentation, what a shop says.

A small network reads the blocks in order. Each layer sees a block's neighbours at twice the distance of the
one before, and one layer the whole page, so that a page of posts is told from an article with comments. It
was fitted to pages whose main text people had marked; `model.md` says which, what was measured, and how it
is made anew.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).with_name("model.npz")
_FAR = 8  # blocks at which the last layer looks
_LAYERS = (1, 2, 4, _FAR)
_ROWS = 32  # times 200 features times 32 outputs stays under OpenBLAS's 262,144
_POOLED = 1  # after which layer the whole page is seen


def likelihoods(features: Floats, words: Floats) -> Floats:
    """For each block, 0 to 1, how likely it is main text. features: (blocks, features); words: of each
    block.
    """
    nets = _nets()
    if features.shape[1] != nets["scale"].shape[0]:
        raise ValueError(f"{WEIGHTS.name} was fitted to other features; fit it anew (see model.md)")
    scaled = np.clip(features * nets["scale"], -1, 1)  # no further than the pages that it was fitted to
    return np.asarray(1 / (1 + np.exp(-_logits(scaled, words, nets).mean(0))), np.float32)


def load() -> None:
    """Read the weights."""
    _nets()


def _logits(features: Floats, words: Floats, of: dict[str, Floats]) -> Floats:
    """(nets, blocks)."""
    hidden = np.maximum(_times(features[None], of["in.w"]) + of["in.b"], 0)
    weight = (words + 0.1)[:, None]
    num, width = hidden.shape[1:]
    for i, distance in enumerate(_LAYERS):
        seen = np.zeros((len(hidden), num, 3 * width), np.float32)  # beyond the page's ends there is nothing
        seen[:, distance:, :width] = hidden[:, :-distance]
        seen[:, :, width : 2 * width] = hidden
        seen[:, :-distance, 2 * width :] = hidden[:, distance:]
        hidden = hidden + np.maximum(_times(seen, of[f"conv{i}.w"]) + of[f"conv{i}.b"], 0)
        if i == _POOLED:
            mean = (hidden * weight).sum(1, keepdims=True) / weight.sum()
            hidden = hidden + mean @ of["page.w"] + of["page.b"]
    return np.asarray((hidden @ of["out.w"] + of["out.b"])[:, :, 0], np.float32)


def _times(rows: Floats, weights: Floats) -> Floats:
    """Of (nets or 1, rows, inputs) and (nets, inputs, outputs) the product, a few rows at a time: so small a
    one BLAS computes on this thread, and wakes no other.

    That cost more than it saved, and another process's core.
    """
    nets, _, outputs = weights.shape
    num, inputs = rows.shape[1:]
    whole = num - num % _ROWS
    product = np.empty((nets, num, outputs), np.float32)
    many = rows[:, :whole].reshape(len(rows), -1, _ROWS, inputs)
    np.matmul(many, weights[:, None], out=product[:, :whole].reshape(nets, -1, _ROWS, outputs))
    np.matmul(rows[:, whole:], weights, out=product[:, whole:])
    return product


@cache
def _nets() -> dict[str, Floats]:
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return _together({name: stored[name].astype(np.float32) for name in stored.files})


def _together(weights: dict[str, Floats]) -> dict[str, Floats]:
    """Of each kind of weight those of all networks, whose number begins their names; and the scale."""
    nets = sorted({name[0] for name in weights if name[0].isdigit()})
    kinds = {name[1:] for name in weights if name[0].isdigit()}
    found = {kind: np.stack([weights[net + kind] for net in nets]) for kind in kinds}
    biases = {kind: each[:, None] for kind, each in found.items() if kind.endswith(".b")}
    return found | biases | {"scale": weights["scale"]}
