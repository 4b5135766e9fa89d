"""A training step against the loop that anyone would write: the same model of stock parts, one thread each.

The plain loop sees all of a sequence (as nanochat), makes the logits of the whole batch and asks
cross_entropy; ours stays within documents. Turn by turn in one process, the best of three.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from prometheus_client import REGISTRY
from torch import Tensor, nn
from torch.nn import functional

from tests.benchmarks.figures import Figure, cpu_seconds
from tests.benchmarks.loader import fill, parts
from tests.benchmarks.sink import CARD
from trainer.attention import bounds
from trainer.config import ModelConfig, load
from trainer.model import Decoder
from trainer.train import train

WAIT_STEPS = 8
NUM_SEQUENCES, LENGTH, VOCABULARY = 2, 1024, 49_152
DOCUMENTS = [300, 40, 500, 184]
TURNS = 3


class PlainLayer(nn.Module):
    """One layer, written straight down."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.norms = nn.ModuleList(nn.RMSNorm(config.dim) for _ in range(2))
        self.inward = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.outward = nn.Linear(config.dim, config.dim, bias=False)
        self.gate = nn.Linear(config.dim, config.mlp_dim, bias=False)
        self.up = nn.Linear(config.dim, config.mlp_dim, bias=False)
        self.down = nn.Linear(config.mlp_dim, config.dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, dim = x.shape
        made = self.inward(self.norms[0](x)).view(batch, length, 3, self.heads, -1)
        query, key, value = made.transpose(1, 3).unbind(2)
        query, key = query * cos + _turned(query) * sin, key * cos + _turned(key) * sin
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.outward(seen.transpose(1, 2).reshape(batch, length, dim))
        y = self.norms[1](x)
        out: Tensor = x + self.down(functional.silu(self.gate(y)) * self.up(y))
        return out


def _turned(x: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((-second, first), -1)


class Plain(nn.Module):
    """As many parameters and as much to compute as trainer.model.Decoder."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(PlainLayer(config) for _ in range(config.num_layers))
        self.norm = nn.RMSNorm(config.dim)
        steps = torch.linspace(0, 1, config.head_dim // 2).repeat(2)
        angles = torch.outer(torch.arange(LENGTH), 10_000**-steps)
        self.cos, self.sin = angles.cos(), angles.sin()

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        logits: Tensor = self.norm(x) @ self.embedding.weight.T
        return logits


def steps(config: ModelConfig) -> dict[str, Callable[[], object]]:
    """A whole step of each: forward, backward, clip, update."""
    tokens = torch.randint(VOCABULARY, (NUM_SEQUENCES, LENGTH))
    targets = torch.randint(VOCABULARY, tokens.shape)
    documents = torch.repeat_interleave(torch.arange(len(DOCUMENTS)), torch.tensor(DOCUMENTS))
    documents = documents.to(torch.int32).expand(tokens.shape)
    positions = torch.cat([torch.arange(size) for size in DOCUMENTS]).expand(tokens.shape)
    assert len(bounds(documents)) == NUM_SEQUENCES * len(DOCUMENTS) + 1
    ours, plain = Decoder(config), Plain(config)
    assert ours.num_parameters() == sum(one.numel() for one in plain.parameters())

    def loss_of_ours(documents: Tensor | None) -> Tensor:
        loss: Tensor = ours(tokens, positions, documents, targets, 1 / targets.numel())[0]
        return loss

    def loss_of_plain() -> Tensor:
        return functional.cross_entropy(plain(tokens).flatten(0, 1), targets.flatten())

    return {
        "plain": _step(plain, loss_of_plain),
        "document": _step(ours, lambda: loss_of_ours(documents)),
        "none": _step(ours, lambda: loss_of_ours(None)),
    }


def _step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], object]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        loss().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def run() -> Iterator[Figure]:
    """See Figure."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = replace(load("5m").model, vocab_size=VOCABULARY)
    spent: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for name, step in steps(config).items():
            spent.setdefault(name, []).append(cpu_seconds(step, repeat=1))
    tokens = NUM_SEQUENCES * LENGTH
    rates = {name: tokens / min(times) for name, times in spent.items()}
    yield Figure("trainer: 5m, plain PyTorch loop, a core", rates["plain"], "tokens/s")
    for mask in ("document", "none"):
        yield Figure(f"trainer: 5m, our step, mask {mask}, a core", rates[mask], "tokens/s")
        ratio = rates[mask] / rates["plain"]
        yield Figure(f"trainer: 5m, mask {mask} to the plain loop", ratio, "times", ">= 1", ratio >= 1)
    yield _waiting()


def _waiting() -> Figure:
    """Of the 5m model from parts in a folder, one core for it and its loader together."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), parts(2_000, 2))
        given = [f"data.store={folder}", f"steps={WAIT_STEPS}", f"log_every={WAIT_STEPS}", "threads=1"]
        given += ["data.batch_size=4", "data.micro_batch_size=2", f"data.vocabulary_size={CARD.size}"]
        given += ["device=cpu", "data.wait_s=0", "schedule.warmup_steps=1"]
        train(load("5m", given), lambda line: None)
    share = REGISTRY.get_sample_value("corpusworks_train_data_wait_ratio")
    assert share is not None
    return Figure("trainer: 5m, share of the time that waits for data", share, "", "< 0.01", share < 0.01)


if __name__ == "__main__":
    for figure in run():
        print(figure)
