"""The learning rate of each step."""

from __future__ import annotations

import pytest

from trainer.config import ScheduleConfig
from trainer.schedule import SHAPES, Schedule

CONFIG = ScheduleConfig(warmup_steps=4, decay_steps=5)


def _shares(schedule: Schedule, first: int, last: int) -> list[float]:
    return [schedule.share(step) for step in range(first, last + 1)]


def test_it_warms_up_in_equal_steps_and_stays() -> None:
    assert _shares(Schedule(CONFIG, 100), 1, 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_without_warm_up_it_begins_with_all() -> None:
    assert Schedule(ScheduleConfig(warmup_steps=0, decay_steps=5), 100).share(1) == 1.0


def test_the_decay_begins_with_the_step_that_has_the_first_sample_of_its_phase() -> None:
    schedule = Schedule(CONFIG, 100)
    assert not schedule.observe(9, ("stable", "stable"))
    assert schedule.observe(10, ("stable", "anneal"))
    assert not schedule.observe(11, ("anneal", "anneal")), "it begins once"
    assert schedule.decay_from == 10
    assert _shares(schedule, 9, 14) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert schedule.last == 14, "the run ends with its decay"


def test_where_no_phase_says_so_it_begins_after_a_step() -> None:
    schedule = Schedule(ScheduleConfig(warmup_steps=0, decay_steps=2, decay_at=7), 100)
    assert [schedule.observe(step, ("stable",)) for step in (7, 8, 9)] == [False, True, False]
    assert schedule.last == 9, "decay_at and decay_steps add up to the run"


def test_a_run_that_is_shorter_than_its_decay_ends_with_its_steps() -> None:
    schedule = Schedule(CONFIG, 12)
    schedule.observe(10, ("anneal",))
    assert schedule.last == 12


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_falls_from_all_to_the_final_share(shape: str) -> None:
    config = ScheduleConfig(warmup_steps=0, decay_steps=50, decay=shape, final=0.1)  # type: ignore[arg-type]
    schedule = Schedule(config, 1000)
    schedule.observe(100, ("anneal",))
    shares = _shares(schedule, 99, 149)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[1] < 1.0
    assert shares[-1] == pytest.approx(0.1)


def test_its_state_goes_on_in_another_one() -> None:
    schedule, other = Schedule(CONFIG, 100), Schedule(CONFIG, 100)
    schedule.observe(10, ("anneal",))
    other.load_state_dict(schedule.state_dict())
    assert _shares(other, 1, 20) == _shares(schedule, 1, 20)
    assert not other.observe(12, ("anneal",))
