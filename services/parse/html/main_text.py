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
    weights = _weights()
    if features.shape[1] != weights["scale"].shape[0]:
        raise ValueError(f"{WEIGHTS.name} was fitted to other features; fit it anew (see model.md)")
    scaled = np.clip(features * weights["scale"], -1, 1)  # no further than the pages that it was fitted to
    logits = [_logits(scaled, words, net) for net in _nets()]
    return np.asarray(1 / (1 + np.exp(-np.mean(logits, axis=0))), np.float32)


def load() -> None:
    """Read the weights."""
    _nets()


def _logits(features: Floats, words: Floats, of: dict[str, Floats]) -> Floats:
    hidden = np.maximum(_times(features, of["in.w"]) + of["in.b"], 0)
    weight = (words + 0.1)[:, None]
    for i, distance in enumerate(_LAYERS):
        num, width = hidden.shape
        seen = np.zeros((num, 3 * width), np.float32)  # beyond the page's ends there is nothing
        seen[distance:, :width] = hidden[:-distance]
        seen[:, width : 2 * width] = hidden
        seen[:-distance, 2 * width :] = hidden[distance:]
        hidden = hidden + np.maximum(_times(seen, of[f"conv{i}.w"]) + of[f"conv{i}.b"], 0)
        if i == _POOLED:
            hidden = hidden + (hidden * weight).sum(0) / weight.sum() @ of["page.w"] + of["page.b"]
    return np.asarray((hidden @ of["out.w"] + of["out.b"])[:, 0], np.float32)


def _times(rows: Floats, weights: Floats) -> Floats:
    """Their product, a few rows at a time: so small a one BLAS computes on this thread, and wakes no other.

    That cost more than it saved, and another process's core.
    """
    num = len(rows)
    whole = num - num % _ROWS
    product = np.empty((num, weights.shape[1]), np.float32)
    many = rows[:whole].reshape(-1, _ROWS, rows.shape[1])
    np.matmul(many, weights, out=product[:whole].reshape(-1, _ROWS, weights.shape[1]))
    np.matmul(rows[whole:], weights, out=product[whole:])
    return product


@cache
def _weights() -> dict[str, Floats]:
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


@cache
def _nets() -> tuple[dict[str, Floats], ...]:
    names = sorted({name[0] for name in _weights() if name[0].isdigit()})
    return tuple({name[1:]: of for name, of in _weights().items() if name[0] == net} for net in names)
