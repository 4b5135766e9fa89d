"""The detector against known series, and over 10,000 steps that are clean."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainer.config import StabilityConfig
from trainer.spikes import Detector, Rewind, Stop, Watch

CONFIG = StabilityConfig()


def detector(**more: float) -> Detector:
    return Detector(window=CONFIG.window, least=CONFIG.least, sigmas=CONFIG.sigmas, **more)  # type: ignore[arg-type]


def skips(found: Detector, losses: list[float], norms: list[float] | None = None) -> list[int]:
    norms = norms or [1.0] * len(losses)
    pairs = zip(losses, norms, strict=True)
    return [
        i for i, (loss, norm) in enumerate(pairs) if found.observe(torch.tensor(loss), torch.tensor(norm))
    ]


def noisy(size: int, seed: int = 0, mean: float = 3.0, spread: float = 0.05) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, spread, size))


def clean(size: int, seed: int) -> tuple[list[float], list[float]]:
    """A run as they are: the loss falls as a power of the step, its noise has heavy tails and some memory.

    Student's t with 5 degrees of freedom; gradient norms are lognormal, and large in the warm-up.
    """
    random = np.random.default_rng(seed)
    steps = np.arange(1, size + 1)
    noise = random.standard_t(5, size) * 0.03
    noise = noise + 0.3 * np.concatenate(([0], noise[:-1]))
    losses = 2.4 + 8.5 * steps**-0.35 + noise
    norms = (0.4 + 6 * np.exp(-steps / 150)) * random.lognormal(0, 0.2, size)
    return losses.tolist(), norms.tolist()


def test_a_loss_of_seven_sigmas_is_skipped_and_one_of_five_is_not() -> None:
    """Prevents a threshold that is not that of the last accepted steps."""
    known = noisy(200)
    last = np.array(known[-128:])
    for sigmas, expected in ((5.0, False), (7.0, True)):
        found = detector()
        assert skips(found, known) == []
        value = last.mean() + sigmas * last.std(ddof=1)
        assert found.thresholds()[0].item() == pytest.approx(last.mean() + 6 * last.std(ddof=1), rel=1e-5)
        assert bool(found.observe(torch.tensor(value), torch.tensor(1.0))) == expected


def test_a_gradient_norm_alone_is_a_spike() -> None:
    """Prevents a loss that looks well from hiding a gradient that does not."""
    found = detector()
    assert skips(found, noisy(100), noisy(100, seed=1, mean=1.0)) == []
    assert found.observe(torch.tensor(3.0), torch.tensor(9.0)) == 1


def test_nothing_is_skipped_before_enough_is_known_but_what_is_no_number() -> None:
    """Prevents the first steps, whose losses fall steeply or jump, from being skipped; NaN never passes."""
    found = detector()
    assert skips(found, [3.0, 90.0, 3.0, math.nan, math.inf, 3.0]) == [3, 4]
    assert skips(found, [3.0], [math.nan]) == [0]
    assert torch.isfinite(found.state_dict()["values"]).all()


def test_what_was_skipped_does_not_raise_the_threshold() -> None:
    """Prevents a run of spikes from making itself normal."""
    found = detector()
    skips(found, noisy(150))
    before = found.thresholds()
    assert skips(found, [9.0] * 200) == list(range(200))
    assert torch.equal(found.thresholds(), before)


def test_a_loss_that_hardly_varies_is_no_spike_at_its_next_bit() -> None:
    """Prevents a batch that is always the same from being skipped for rounding."""
    found = detector()
    assert skips(found, [1.0] * 100 + [1.0005, 1.0] + [1.02]) == [102]


def test_it_goes_on_from_its_state() -> None:
    """Prevents a resumed run from deciding otherwise than one that was not stopped."""
    losses, norms = clean(400, 1)
    losses[300], whole = 30.0, detector()
    first, second = detector(), detector()
    expected = skips(whole, losses, norms)
    assert 300 in expected
    early = skips(first, losses[:250], norms[:250])
    second.load_state_dict(first.state_dict())
    assert early + [250 + i for i in skips(second, losses[250:], norms[250:])] == expected


def test_another_phase_may_begin_anew() -> None:
    """Prevents the jump of a new mixture from being taken for spikes for ever."""
    found = detector()
    skips(found, noisy(150))
    found.forget()
    assert skips(found, noisy(200, mean=5.0)) == []


def test_ten_thousand_clean_steps_are_never_gone_back_over() -> None:
    """Prevents a rewind without a cause; single steps may be skipped, less than one in a thousand."""
    torch.set_num_threads(1)
    found, watch = detector(), Watch(CONFIG)
    num_skipped = 0
    for step, (loss, norm) in enumerate(zip(*clean(10_000, seed=0), strict=True), 1):
        skipped = bool(found.observe(torch.tensor(loss), torch.tensor(norm)))
        num_skipped += skipped
        assert watch.note(step, loss, skipped) is None
    assert num_skipped <= 10


def noted(watch: Watch, steps: range, skipped: set[int], loss: float = 3.0) -> Rewind | Stop | None:
    for step in steps:
        if told := watch.note(step, loss, step in skipped):
            return told
    return None


def test_three_skips_of_eight_go_back_before_the_first() -> None:
    """Prevents a rewind to a checkpoint that already has the damage."""
    assert noted(Watch(CONFIG), range(100), {20, 23, 30, 40, 41}) is None
    told = noted(Watch(CONFIG), range(100), {20, 50, 53, 57})
    assert isinstance(told, Rewind)
    assert (told.first, told.steps) == (50, (50, 53, 57))
    assert "3 of the last 8 steps were skipped, the last at step 57" in told.why


def test_a_loss_that_is_no_number_goes_back_at_once() -> None:
    """Prevents training from going on with weights that may hold NaN."""
    watch = Watch(CONFIG)
    assert watch.note(7, 3.0, False) is None
    told = watch.note(8, math.nan, True)
    assert told == Rewind(8, (8,), "the loss of step 8 is nan")


def test_too_many_spikes_end_the_run_and_name_their_reports() -> None:
    """Prevents a run that spikes more and more often from burning a machine for days."""
    watch = Watch(CONFIG, "first", spikes=[1, 90_000, 92_000])  # the first is long ago
    for step in (95_000, 96_000, 97_000):
        assert isinstance(watch.note(step, math.inf, True), Rewind)
    told = watch.note(98_000, math.inf, True)
    assert isinstance(told, Stop)
    assert "6 spikes within 10000 steps" in told.why
    assert "train/first/spikes/step-000090000.json" in told.why
    assert "step-000000001.json" not in told.why
    assert "\n" not in told.why


def test_too_many_single_skips_end_the_run_too() -> None:
    """Prevents a run that loses a step in twelve from going on for ever."""
    told = noted(Watch(CONFIG, "first"), range(5000), set(range(0, 5000, 12)))
    assert isinstance(told, Stop)
    assert "101 steps were skipped within 10000" in told.why
    assert noted(Watch(CONFIG, "first"), range(50_000), set(range(0, 50_000, 120))) is None
