"""A tiny model that has learnt two made-up languages, and batches into which documents can be spoilt."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from trainer.config import ModelConfig
from trainer.data.batch import Batch
from trainer.model import Decoder
from trainer.spikes import Detector

VOCABULARY, LENGTH, BATCH = 64, 48, 16
BUCKETS = ("zh", "code")


class Taken(NamedTuple):
    number: int
    indices: Sequence[int]
    learning_rate: float


class Replayed(NamedTuple):
    number: int
    loss: float
    gradient_norm: float
    skipped: bool
    batches: list[Batch]
    losses: list[torch.Tensor]


@dataclass
class Corpus:
    """Sample i is a function of i. spoilt: (index, number of the document) → random, or shifted."""

    spoilt: dict[tuple[int, int], str] = field(default_factory=dict)
    parts: dict[int, str] = field(default_factory=dict)  # of a sample, where it is not its own

    def batch(self, indices: Sequence[int]) -> Batch:
        rows = [self.sample(index) for index in indices]
        tokens, documents, buckets, uids = zip(*rows, strict=True)
        numbers = torch.tensor(np.stack(documents))
        ids = torch.tensor(np.stack(tokens))
        targets = torch.full_like(ids, -100)
        same = numbers[:, :-1] == numbers[:, 1:]
        targets[:, :-1] = torch.where(same, ids[:, 1:], -100)
        starts = [torch.tensor(found[1]).long() for found in uids]
        positions = torch.stack(
            [torch.arange(LENGTH) - start[row.long()] for start, row in zip(starts, numbers, strict=True)]
        )
        places = [(self.parts.get(index, f"part-{index // 64}"), index % 64) for index in indices]
        return Batch(
            list(indices),
            places,
            ids,
            targets,
            numbers,
            positions,
            torch.tensor(np.stack(buckets)),
            list(uids),
        )

    def sample(self, index: int) -> tuple[np.ndarray, ...]:
        random = np.random.default_rng((7, index))
        cuts = [0, int(random.integers(12, 20)), int(random.integers(28, 36)), LENGTH]
        sizes = np.diff(cuts)
        tokens, buckets = [], []
        for number, size in enumerate(sizes):
            bucket = int(random.integers(2))
            text = _text(random, bucket, size)
            kind = self.spoilt.get((index, number))
            if kind == "random":
                text = random.integers(0, VOCABULARY, size)
            elif kind == "shifted":
                text = (text + 13) % VOCABULARY  # no offset that either language has
            tokens.append(text)
            buckets.append(np.full(size, bucket, np.int16))
        uids = np.array([index * 8 + number for number in range(3)], np.uint64)
        documents = np.repeat(np.arange(3, dtype=np.int32), sizes)
        return np.concatenate(tokens), documents, np.concatenate(buckets), (uids, np.array(cuts, np.int32))


def _text(random: np.random.Generator, bucket: int, size: int) -> np.ndarray:
    """Each token follows from the one before, up to a choice of 2, or 4."""
    found = [int(random.integers(VOCABULARY))]
    for choice in random.integers(0, 2 + 2 * bucket, size - 1):
        found.append((5 * found[-1] + 7 * int(choice) + 11 * bucket + 1) % VOCABULARY)
    return np.array(found)


class State(NamedTuple):
    """Of a checkpoint."""

    step: int
    model: Decoder
    optimizer: torch.optim.AdamW
    detector: Detector


def start() -> State:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Decoder(ModelConfig(dim=32, num_layers=1, num_heads=1, vocab_size=VOCABULARY))
    return State(0, model, torch.optim.AdamW(model.parameters(), lr=1e-2), Detector(window=32, least=16))


def learnt(steps: int = 100) -> State:
    """After so many steps over samples 0, 1, …"""
    state = start()
    for step in range(1, steps + 1):
        replayed = do(state, Corpus(), taken(step), ())
        assert step < 80 or not replayed.skipped, f"step {step} of the clean run was skipped"
    return state._replace(step=steps)


def taken(step: int, learning_rate: float = 3e-3) -> Taken:
    return Taken(step, range((step - 1) * BATCH, step * BATCH), learning_rate)


@dataclass
class Replay:
    """As trainer.replay.Replayer, from a state that stays as it is."""

    state: State
    corpus: Corpus
    calls: int = 0

    def __call__(
        self,
        steps: Iterable[Taken],
        exclude: Collection[int] = (),
        documents: Collection[tuple[int, int]] = (),
    ) -> list[Replayed]:
        self.calls += 1
        state = copy.deepcopy(self.state)
        without = {*documents, *((index, number) for index in exclude for number in range(3))}
        return [do(state, self.corpus, step, without) for step in steps]


def do(state: State, corpus: Corpus, step: Taken, without: Collection[tuple[int, int]]) -> Replayed:
    batches = [corpus.batch(step.indices[: BATCH // 2]), corpus.batch(step.indices[BATCH // 2 :])]
    for batch in batches:
        for row, index in enumerate(batch.indices):
            for number in range(3):
                if (index, number) in without:
                    batch.targets[row][batch.documents[row] == number] = -100
    count = max(1, sum(int((batch.targets >= 0).sum()) for batch in batches))
    total, losses = torch.zeros(()), []
    for batch in batches:
        loss, of_tokens = state.model(
            batch.tokens, batch.positions, batch.documents, batch.targets, 1 / count
        )
        loss.backward()
        total += loss.detach()
        losses.append(of_tokens)
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    skip = bool(state.detector.observe(total, norm))
    if not skip:
        state.optimizer.param_groups[0]["lr"] = step.learning_rate
        state.optimizer.step()
    state.optimizer.zero_grad()
    return Replayed(step.number, float(total), float(norm), skip, batches, losses)


def spoil(step: int, kind: str, rows: Sequence[int], numbers: Sequence[int]) -> Mapping[tuple[int, int], str]:
    return {(taken(step).indices[row], number): kind for row in rows for number in numbers}
