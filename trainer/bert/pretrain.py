"""Learning from texts without labels: guessing masked words, and a teacher's embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.bert.errors import JudgeError
from trainer.bert.fit import fit
from trainer.bert.model import mean_of, states, tensors, width_of
from trainer.bert.recipe import PretrainConfig
from trainer.bert.teacher import Match, embed
from trainer.bert.vocabulary import Vocabulary


def pretrain(
    encoder: nn.Module,
    vocabulary: Vocabulary,
    texts: Sequence[str],
    config: PretrainConfig,
    *,
    max_length: int,
    device: torch.device,
    out: Path,
    log: Callable[[str], None] = lambda _: None,
) -> None:
    """Train the encoder in place; checkpoint and the teacher's embeddings lie in `out`. Raises JudgeError."""
    if config.masked and vocabulary.mask < 0:
        raise JudgeError("the tokenizer has no [MASK]: set pretrain.masked to 0, or use another tokenizer")
    cut = list(pieces(vocabulary, texts, max_length - 2, config.max_pieces))
    targets = None
    if config.teacher is not None:
        targets = embed(
            config.teacher,
            [text for text, _ in cut],
            out,
            device,
            prefix=config.prefix,
            max_length=max_length,
            log=log,
        )
    log(f"pre-training on {len(cut)} pieces of {len(texts)} texts, {sum(len(ids) for _, ids in cut)} tokens")
    objective = Pretraining(
        encoder, vocabulary, [ids for _, ids in cut], config=config, targets=targets, device=device
    )
    fit(objective, config.fit, device, out / "pretrain.pt", log)


def pieces(
    vocabulary: Vocabulary, texts: Iterable[str], size: int, most: int
) -> Iterable[tuple[str, list[int]]]:
    """Each text cut into pieces of at most `size` ids, with the ids wrapped; the first `most` of them."""
    for text in texts:
        encoding = vocabulary.tokenizer.encode(text, add_special_tokens=False)
        for start in range(0, min(len(encoding.ids), size * most), size):
            end = min(start + size, len(encoding.ids))
            span = text[encoding.offsets[start][0] : encoding.offsets[end - 1][1]]
            yield span, vocabulary.wrap(encoding.ids[start:end])


def mask(
    ids: np.ndarray[Any, Any], share: float, vocabulary: Vocabulary, random: np.random.Generator
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(ids with some hidden, which ones are to be guessed), as BERT: 80 % of these masked, 10 % replaced.

    At least one a row, so that no batch is without a loss.
    """
    open_to = (ids != vocabulary.pad) & (ids != vocabulary.cls) & (ids != vocabulary.sep)
    drawn = np.where(open_to, random.random(ids.shape), 2.0)
    chosen = open_to & ((drawn < share) | (drawn == drawn.min(axis=1, keepdims=True)))
    how = random.random(ids.shape)
    hidden = np.where(chosen & (how < 0.8), vocabulary.mask, ids)
    other = random.integers(0, vocabulary.size, ids.shape)
    return np.where(chosen & (how >= 0.9), other, hidden), chosen


class Pretraining:
    """The objective: sum of the masked words' cross-entropy and the distance to the teacher."""

    def __init__(
        self,
        encoder: nn.Module,
        vocabulary: Vocabulary,
        rows: Sequence[Sequence[int]],
        *,
        config: PretrainConfig,
        targets: np.ndarray[Any, Any] | None,
        device: torch.device,
    ) -> None:
        self.rows, self.config, self.device, self.vocabulary = rows, config, device, vocabulary
        self.lengths: Sequence[int] = [len(row) for row in rows]
        self.encoder = encoder
        parts = {"encoder": encoder}
        if config.masked:
            parts["guess"] = Guess(encoder)
        if targets is not None:
            self.targets = torch.from_numpy(targets)
            parts["match"] = Match(width_of(encoder), targets.shape[1])
        self.module: nn.Module = nn.ModuleDict(parts)
        self.parts = parts

    def loss(self, rows: Sequence[int], random: np.random.Generator) -> Tensor:
        """Of a batch."""
        ids, there = tensors([self.rows[row] for row in rows], self.vocabulary.pad, self.device)
        total = torch.zeros((), device=self.device)
        seen, chosen = ids, None
        if "guess" in self.parts:
            masked, where = mask(ids.cpu().numpy(), self.config.masked, self.vocabulary, random)
            seen, chosen = torch.from_numpy(masked).to(self.device), torch.from_numpy(where).to(self.device)
        last = states(self.encoder, seen, there)
        if chosen is not None:
            guesses = self.parts["guess"](last[chosen])
            total = total + nn.functional.cross_entropy(guesses.float(), ids[chosen])
        if "match" in self.parts:
            target = self.targets[list(rows)].to(self.device)
            total = total + self.parts["match"](mean_of(last, there), target)
        return total

    def score(self) -> None:
        """No labels, nothing to stop early by."""
        return


class Guess(nn.Module):
    """States -> a logit for each token, by the word embeddings themselves (tied, as in BERT)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        words = encoder.get_input_embeddings()  # type: ignore[operator]
        size, width = words.weight.shape
        self.words = [words]  # in a list: the encoder owns it, a checkpoint holds it once
        self.transform = nn.Sequential(nn.Linear(width_of(encoder), width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, states: Tensor) -> Tensor:
        """[n, width] -> [n, vocabulary]."""
        return nn.functional.linear(self.transform(states), self.words[0].weight, self.bias)
