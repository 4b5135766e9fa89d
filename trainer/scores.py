"""How far the loss of each document lies above that of its bucket's others."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.data.batch import Batch

_FEW = 8  # documents that a bucket's median needs; below it that of all is taken
_LEAST_SPREAD = 0.1  # nats: where the losses of a bucket hardly differ


class Replayed(Protocol):
    """What a step measured when it was done again."""

    @property
    def number(self) -> int:
        """Of the step."""

    @property
    def loss(self) -> float:
        """Of the whole step."""

    @property
    def gradient_norm(self) -> float:
        """Of the whole step."""

    @property
    def skipped(self) -> bool:
        """Whether the detector refused it."""

    @property
    def batches(self) -> Sequence[Batch]:
        """Of this rank."""

    @property
    def losses(self) -> Sequence[Tensor]:
        """Of their tokens: (B, L) float32 each."""


class Document(NamedTuple):
    """A document in a sample, as the replay saw it.

    sample: its index. number: in its sequence. tokens: targets. loss: their mean; deviation: of their
    losses. usual: the median loss of its bucket's others. score: how far above it, in robust deviations.
    """

    sample: int
    number: int
    step: int
    part: str
    sequence: int
    uid: int
    bucket: str
    tokens: int
    loss: float
    deviation: float
    usual: float = math.nan
    score: float = 0.0

    @property
    def place(self) -> tuple[int, int]:
        """As Replay takes it."""
        return self.sample, self.number

    @property
    def excess(self) -> float:
        """Of its loss over the usual; inf where it is no number."""
        return self.loss - self.usual if math.isfinite(self.loss) else math.inf

    @property
    def weight(self) -> float:
        """What it adds to the loss of its step, up to a factor."""
        return self.excess * self.tokens


def documents_of(step: Replayed, buckets: Sequence[str]) -> Iterator[Document]:
    """The documents of this rank's batches that have a target. buckets: names by their numbers."""
    for batch, losses in zip(step.batches, step.losses, strict=True):
        counts = batch.targets >= 0
        for row, (index, (part, sequence)) in enumerate(zip(batch.indices, batch.places, strict=True)):
            uids, starts = batch.uids[row]
            for number, uid in enumerate(uids.tolist()):
                here = slice(int(starts[number]), int(starts[number + 1]))
                found = losses[row, here][counts[row, here]]
                if len(found):
                    bucket = buckets[int(batch.buckets[row, here.start])]
                    mean, deviation = float(found.mean()), float(found.std(unbiased=False))
                    place = (index, number, step.number, part, sequence)
                    yield Document(*place, uid, bucket, len(found), mean, deviation)


def scored(documents: Sequence[Document], spike: int) -> tuple[list[Document], dict[str, float]]:
    """With their scores, and the usual loss by bucket: that before the spike where it is known."""
    before = [each for each in documents if each.step < spike]
    known = before if len(before) >= _FEW else documents
    of_all = _usual(known)
    by_bucket: defaultdict[str, list[Document]] = defaultdict(list)
    for each in known:
        by_bucket[each.bucket].append(each)
    usual = {name: _usual(some) for name, some in by_bucket.items() if len(some) >= _FEW}
    found = []
    for each in documents:
        median, spread, noise = usual.get(each.bucket, of_all)
        # The mean of few tokens varies by itself.
        deviation = math.hypot(spread, noise / math.sqrt(each.tokens))
        excess = each.loss - median if math.isfinite(each.loss) else math.inf
        found.append(each._replace(usual=median, score=excess / deviation))
    return found, {name: of_bucket[0] for name, of_bucket in sorted(usual.items())}


def _usual(documents: Sequence[Document]) -> tuple[float, float, float]:
    """Median loss, its robust deviation (1.4826 × MAD, that of a normal), and the median token's."""
    finite = [each for each in documents if math.isfinite(each.loss)]
    if not finite:
        return 0.0, _LEAST_SPREAD, 0.0
    median = statistics.median(each.loss for each in finite)
    spread = 1.4826 * statistics.median(abs(each.loss - median) for each in finite)
    return median, max(spread, _LEAST_SPREAD), statistics.median(each.deviation for each in finite)
