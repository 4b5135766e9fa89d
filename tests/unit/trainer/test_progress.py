"""Sums by bucket, bits per byte and MFU."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trainer import metrics  # noqa: E402
from trainer.agreement import Agreement  # noqa: E402
from trainer.parallel import Place  # noqa: E402
from trainer.progress import Meter, line  # noqa: E402
from trainer.update import Outcome  # noqa: E402


class Batch:
    """Two sequences of three tokens; the last of each has no target."""

    def __init__(self) -> None:
        self.targets = torch.tensor([[1, 2, -100], [3, 1, -100]])
        self.buckets = torch.tensor([[0, 0, 0], [1, 0, -1]])
        self.uids = [([5], None), ([6, 7], None)]


def _outcome(skip: float = 0.0) -> Outcome:
    losses = torch.tensor([[1.0, 3.0, 0.0], [4.0, 2.0, 0.0]])
    return Outcome(torch.tensor(2.5), torch.ones(()), torch.tensor(skip), [losses], 4)


def _meter(lengths: Any = None, peak: float | None = None) -> Meter:
    return Meter(Agreement(Place(torch.device("cpu"))), 10.0, lengths, 1, peak, 4)


def test_losses_and_bits_are_means_over_the_tokens_of_a_bucket() -> None:
    meter = _meter(lengths=torch.tensor([0, 2, 4, 5]))
    uses = metrics.USES._value.get()
    meter.add([Batch()], _outcome(), ["en", "zh"])  # type: ignore[list-item]
    told = meter.read(1, _outcome(), 0.1, 0.0)
    assert told.bucket_loss == {"en": 2.0, "zh": 4.0}
    assert told.bucket_bits == pytest.approx({"en": 6 / 8 / math.log(2), "zh": 4 / 5 / math.log(2)})
    assert dict(meter.tokens) == {"en": 3, "zh": 1}
    assert metrics.USES._value.get() - uses == 3
    assert told.mfu is None


def test_the_entropy_of_unigrams_is_of_all_targets_so_far() -> None:
    """Prevents a loss from being called learned that the frequencies of tokens alone explain."""
    meter = _meter()
    meter.add([Batch()], _outcome(), ["en", "zh"])  # type: ignore[list-item]
    meter.read(1, _outcome(), 0.1, 0.0)
    meter.add([Batch()], _outcome(), ["en", "zh"])  # type: ignore[list-item]
    en = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    both = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))
    assert meter.unigram_entropy() == pytest.approx({"all": both, "en": en, "zh": 0.0})
    assert _meter().unigram_entropy() == {}


def test_a_skipped_step_does_not_enter_the_means() -> None:
    meter = _meter()
    meter.add([Batch()], _outcome(skip=1.0), ["en", "zh"])  # type: ignore[list-item]
    told = meter.read(1, _outcome(skip=1.0), 0.1, 0.0)
    assert told.bucket_loss == {}
    assert told.bucket_bits == {}


def test_a_reading_is_of_the_steps_since_the_last_one() -> None:
    meter = _meter(peak=1e9)
    meter.add([Batch()], _outcome(), ["en", "zh"])  # type: ignore[list-item]
    first = meter.read(1, _outcome(), 0.1, 0.0)
    assert first.mfu == pytest.approx(first.tokens_per_second * 10 / 1e9)
    assert "mfu" in line(first, "stable")
    assert meter.read(2, _outcome(), 0.1, 1e9).wait == 1.0
    assert meter.read(3, _outcome(), 0.1, 1e9).bucket_loss == {}


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("Other", None),
    ],
)
def test_the_peak_of_a_device_is_known_by_its_name(name: str, peak: float | None) -> None:
    assert metrics.peak_flops(name) == peak
