"""How training stands: summed up between two lines of the log, over all ranks."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from trainer import metrics
from trainer.metrics import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.agreement import Agreement
    from trainer.data.batch import Batch
    from trainer.update import Outcome


@dataclass
class Sums:
    """Of the targets in a bucket: their losses in nats, how many, the bytes of their text."""

    losses: float = 0.0
    targets: int = 0
    bytes: int = 0

    def add(self, other: Sums) -> None:
        """Take another's sums into these."""
        self.losses += other.losses
        self.targets += other.targets
        self.bytes += other.bytes

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.losses / self.targets if self.targets else math.nan

    @property
    def bits_per_byte(self) -> float:
        """NaN where bytes are not known."""
        return self.losses / self.bytes / math.log(2) if self.bytes else math.nan


@dataclass
class Meter:
    """Sums up steps on every rank; `read` is collective.

    token_bytes: bytes of each token's text, None where they are not known: then there is no bits_per_byte.
    peak: operations a second of a device, None where that is not known: then there is no mfu.
    unigrams: how often each token was a target, by bucket, on this rank since this process began.
    """

    agreement: Agreement
    flops_per_token: float
    token_bytes: torch.Tensor | None
    world_size: int
    peak: float | None
    vocab_size: int
    sums: dict[str, Sums] = field(default_factory=dict)  # since the last reading, of this rank
    tokens: Counter[str] = field(default_factory=Counter)  # of all ranks, by bucket, since this process began
    unigrams: dict[str, torch.Tensor] = field(default_factory=dict)
    _steps: int = 0
    _uses: int = 0
    _seen: int = 0
    _waited_s: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    def add(self, batches: Sequence[Batch], outcome: Outcome, buckets: Sequence[str]) -> None:
        """A step: this rank's micro-batches, and the names of buckets by their numbers."""
        self._steps += 1
        for batch, losses in zip(batches, outcome.losses, strict=True):
            self._uses += sum(len(uids) for uids, _ in batch.uids)
            self._seen += int((batch.buckets >= 0).sum())
            if bool(outcome.skip):  # what spiked would drown the means
                continue
            for name, sums in self._by_bucket(batch, losses.cpu(), buckets):
                self.sums.setdefault(name, Sums()).add(sums)

    def read(self, step: int, outcome: Outcome, learning_rate: float, waited_s: float) -> Progress:
        """Over the steps since the last reading. waited_s: by the loader since it was made."""
        now = time.monotonic()
        seconds = max(now - self._since, 1e-9)
        shares = self.agreement.gather((self.sums, self._uses, self._seen))
        by_bucket: dict[str, Sums] = {}
        for sums, _, _ in shares:
            for name, each in sums.items():
                by_bucket.setdefault(name, Sums()).add(each)
        uses, seen = sum(each for _, each, _ in shares), sum(each for _, _, each in shares)
        for name, each in by_bucket.items():
            self.tokens[name] += each.targets
            metrics.BUCKET_TOKENS.labels(name).inc(each.targets)
        metrics.TOKENS.inc(seen)
        metrics.USES.inc(uses)
        rate = seen / seconds
        progress = Progress(
            step=step,
            loss=float(outcome.loss),
            learning_rate=learning_rate,
            gradient_norm=float(outcome.gradient_norm),
            tokens_per_second=rate,
            step_seconds=seconds / max(1, self._steps),
            wait=min(1.0, max(0.0, waited_s - self._waited_s) / seconds),
            mfu=metrics.utilisation(self.flops_per_token, rate, self.world_size, self.peak),
            bucket_loss=_finite({name: each.loss for name, each in sorted(by_bucket.items())}),
            bucket_bits=_finite({name: each.bits_per_byte for name, each in sorted(by_bucket.items())}),
        )
        self.sums, self._steps, self._uses, self._seen = {}, 0, 0, 0
        self._since, self._waited_s = now, waited_s
        metrics.show(progress)
        return progress

    def unigram_entropy(self) -> dict[str, float]:
        """Nats a token of the targets since this process began, by bucket and of `all`; collective.

        The loss of a model that knows how often each token comes, and nothing of what comes before it.
        """
        counts: dict[str, torch.Tensor] = {}
        for share in self.agreement.gather(self.unigrams):
            for name, each in share.items():
                counts[name] = counts[name] + each if name in counts else each
        if counts:
            counts["all"] = torch.stack(list(counts.values())).sum(0)
        return {name: _entropy(each) for name, each in sorted(counts.items())}

    def _count(self, name: str, targets: torch.Tensor) -> None:
        if name not in self.unigrams:
            self.unigrams[name] = torch.zeros(self.vocab_size, dtype=torch.int64)
        self.unigrams[name].index_add_(0, targets, torch.ones_like(targets))

    def _by_bucket(
        self, batch: Batch, losses: torch.Tensor, buckets: Sequence[str]
    ) -> list[tuple[str, Sums]]:
        there = batch.targets >= 0
        number, loss, target = batch.buckets[there].long(), losses[there].double(), batch.targets[there]
        size = len(buckets)
        sums = torch.zeros(size, dtype=torch.float64).index_add_(0, number, loss)
        counts = torch.bincount(number, minlength=size)
        for each in counts.nonzero().flatten().tolist():
            self._count(buckets[each], target[number == each])
        lengths = torch.zeros(size, dtype=torch.int64)
        if self.token_bytes is not None:
            lengths.index_add_(0, number, self.token_bytes[target])
        of_each = zip(buckets, sums.tolist(), counts.tolist(), lengths.tolist(), strict=True)
        return [(name, Sums(*values)) for name, *values in of_each if values[1]]


def line(progress: Progress, phase: str) -> str:
    """For a person."""
    mfu = "" if progress.mfu is None else f"  mfu {progress.mfu:.1%}"
    return (
        f"step {progress.step:>6}  loss {progress.loss:.4f}  lr {progress.learning_rate:.2e} {phase}  "
        f"norm {progress.gradient_norm:.2f}  {progress.tokens_per_second:,.0f} tokens/s{mfu}  "
        f"wait {progress.wait:.1%}"
    )


def _entropy(counts: torch.Tensor) -> float:
    share = counts[counts > 0].double() / counts.sum()
    return float(-(share * share.log()).sum())


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
