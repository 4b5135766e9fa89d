"""Fits the network by which parse tells a page's main text (services/parse/html/main_text.py).

`python -m trainer.pages LABELLED.npz WEIGHTS.npz`, where LABELLED is what `python -m
services.parse.html.gold` wrote. Prints the mean token F1 of pages that the networks had not seen: each half
by those fitted to the other, by kind of page.
"""

from __future__ import annotations

import math
import random
import sys
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LAYERS = (1, 2, 4, 8)
POOLED = 1


@dataclass(frozen=True)
class FitConfig:
    """hidden: width of each layer. dropout: of layers. forget: share of the features that are withheld from
    half of the pages, since other sites use other names. epochs, rate, decay: of AdamW, with a cosine.
    average: by which the weights are averaged over steps. nets: fitted from different seeds, their logits
    are averaged. batch: pages a step. longest: blocks of a page that are looked at. even: power of how much
    rarer than the most frequent one a kind of page is, by which its pages come more often.
    """

    hidden: int = 32
    dropout: float = 0.35
    forget: float = 0.15
    epochs: int = 10
    rate: float = 3e-3
    decay: float = 1e-2
    average: float = 0.995
    batch: int = 4
    nets: int = 3
    longest: int = 1500
    even: float = 0.5


@dataclass(frozen=True)
class Page:
    """features (blocks, features); tokens and matched (blocks); size of the gold text in tokens; kind as who
    marked the page called it.
    """

    name: str
    kind: str
    features: Tensor
    tokens: Tensor
    matched: Tensor
    size: float


class Blocks(nn.Module):
    """Dilated convolutions over the blocks of one page, with the page's mean after one of them."""

    def __init__(self, num_features: int, config: FitConfig) -> None:
        super().__init__()
        width = config.hidden
        self.first = nn.Linear(num_features, width)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 3, padding=far, dilation=far) for far in LAYERS)
        self.page = nn.Linear(width, width)
        self.last = nn.Linear(width, 1)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Logits (blocks)."""
        hidden = nn.functional.relu(self.first(self.drop(features)))
        weight = (tokens + 0.1)[:, None]
        for i, conv in enumerate(self.convs):
            hidden = hidden + self.drop(nn.functional.relu(conv(hidden.T[None])[0].T))
            if i == POOLED:
                hidden = hidden + self.page((hidden * weight).sum(0, keepdim=True) / weight.sum())
        logits: Tensor = self.last(self.drop(hidden))[:, 0]
        return logits

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Weights as main_text.py multiplies them: inputs by outputs, a convolution's three taps on each
        other.
        """
        found = {"in.w": self.first.weight.T, "in.b": self.first.bias, "page.w": self.page.weight.T}
        found |= {"page.b": self.page.bias, "out.w": self.last.weight.T, "out.b": self.last.bias}
        named = dict(self.convs.named_parameters())
        for i in range(len(LAYERS)):
            taps = named[f"{i}.weight"].permute(2, 1, 0)
            found |= {f"conv{i}.w": taps.reshape(-1, taps.shape[2]), f"conv{i}.b": named[f"{i}.bias"]}
        return {name: tensor.detach().numpy().astype(np.float16) for name, tensor in found.items()}


def fit(pages: list[Page], seed: int, config: FitConfig) -> Blocks:
    """A network for which cross-entropy by block, and one less the page's expected F1, are least."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    net = Blocks(pages[0].features.shape[1], config)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    order = _evened(pages, draw, config.even)
    steps = config.epochs * (len(order) // config.batch)
    averaged: dict[str, Tensor] = {}
    step = 0
    for _ in range(config.epochs):
        draw.shuffle(order)
        for start in range(0, len(order) - config.batch + 1, config.batch):
            loss = torch.stack(
                [_loss(net, page, draw, config) for page in order[start : start + config.batch]]
            )
            optimizer.zero_grad()
            loss.mean().backward()  # type: ignore[no-untyped-call]
            rate = config.rate * min(1.0, step / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            step += 1
            keep = min(config.average, 1 - 1 / step**0.75)
            for name, value in net.state_dict().items():
                averaged[name] = averaged.get(name, value) * keep + value * (1 - keep)
    net.load_state_dict(averaged)
    return net.eval()


def _evened(pages: list[Page], draw: random.Random, power: float) -> list[Page]:
    """The pages, those of rare kinds more than once, so that a few shops weigh against many articles."""
    num = Counter(page.kind for page in pages)
    found = []
    for page in pages:
        times = (max(num.values()) / num[page.kind]) ** power
        found += [page] * (int(times) + (draw.random() < times % 1))
    return found


def _loss(net: Blocks, page: Page, draw: random.Random, config: FitConfig) -> Tensor:
    cut = slice(0, config.longest)
    features, tokens, matched = page.features[cut], page.tokens[cut], page.matched[cut]
    if draw.random() < 0.5:
        features = features * (torch.rand(features.shape[1]) > config.forget)
    logits = net(features, tokens)
    weight = tokens.clamp(max=200).sqrt() + 1e-3
    wanted = (matched / tokens.clamp(min=1)).clamp(0, 1)
    entropy = (
        nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight
    ).sum() / weight.sum()
    kept = torch.sigmoid(logits)
    f1 = 2 * (kept * matched).sum() / ((kept * tokens).sum() + max(1.0, page.size))
    return entropy + 1 - f1


@torch.no_grad()
def f1_of(nets: list[Blocks], page: Page) -> float:
    """Token F1 of the blocks that the networks would keep."""
    logits = torch.stack([net(page.features, page.tokens) for net in nets]).mean(0)
    kept = logits > 0
    return float(2 * page.matched[kept].sum() / max(1.0, float(page.tokens[kept].sum()) + page.size))


def load(path: str) -> tuple[list[Page], Tensor]:
    """The pages, their features scaled to at most about 1, and the scale."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    features = torch.from_numpy(arrays["features"].astype(np.float32))
    scale = 1 / features.abs().max(0).values.clamp(min=1)
    ends = np.cumsum(arrays["num_blocks"])
    pages = []
    for i, end in enumerate(ends):
        span = slice(end - arrays["num_blocks"][i], end)
        tokens, matched = (torch.from_numpy(arrays[name][span]) for name in ("tokens", "matched"))
        name, kind, size = str(arrays["page"][i]), str(arrays["kind"][i]), float(arrays["size"][i])
        pages.append(Page(name, kind, features[span] * scale, tokens, matched, size))
    return pages, scale


def main(labelled: str, out: str) -> None:
    """Fit to halves, say how the other half does, then to everything, and write the weights."""
    config = FitConfig()
    pages, scale = load(labelled)
    halves = [[page for page in pages if zlib.crc32(page.name.encode()) % 2 == half] for half in (0, 1)]
    unseen: dict[str, float] = {}
    for fitted_to, others in (halves, halves[::-1]):
        nets = [fit(fitted_to, seed, config) for seed in range(config.nets)]
        unseen |= {page.name: f1_of(nets, page) for page in others}
    for kind in sorted({page.kind for page in pages}):
        found = [unseen[page.name] for page in pages if page.kind == kind]
        print(f"{kind}: F1 {sum(found) / len(found):.3f} of {len(found)} unseen pages", flush=True)
    weights = {"scale": scale.numpy().astype(np.float16)}
    for seed in range(config.nets):
        weights |= {f"{seed}{name}": array for name, array in fit(pages, seed, config).arrays().items()}
    np.savez_compressed(out, allow_pickle=False, **weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
