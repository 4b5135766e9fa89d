"""Processes for stages: by the work that is left to each, and no more often than it is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.local.balance import EVERY_S, KNOWN, PATIENCE, Balance, Load, Stage, allot

NAMES = ["parse", "rules", "classifier+scorer", "tokenizer+router+dedup"]
COST_S = dict(zip(NAMES, (0.0005, 0.001, 0.0035, 0.001), strict=True))


def loads(*waiting: int) -> list[Load]:
    """The stages with so much before each."""
    return [Load(name, number, COST_S[name]) for name, number in zip(NAMES, waiting, strict=True)]


def test_cores_are_shared_by_the_work_that_is_left() -> None:
    """Prevents: a stage that costs the most and has one process of eight cores."""
    assert allot(loads(100_000, 0, 0, 0), 2, 64) == dict.fromkeys(NAMES, 1)
    assert list(allot(loads(100_000, 0, 0, 0), 8, 64).values()) == [1, 1, 5, 1]
    assert list(allot(loads(1_000_000, 0, 0, 0), 64, 64).values()) == [5, 11, 37, 11]


def test_what_has_gone_by_is_no_work() -> None:
    """Prevents: processes that stay with a stage whose documents have all moved on."""
    assert list(allot(loads(0, 0, 0, 100_000), 8, 64).values()) == [1, 1, 1, 8]
    assert list(allot(loads(0, 0, 0, 100_000), 8, 4).values()) == [1, 1, 1, 4], "as many as partitions"
    assert list(allot(loads(0, 0, 0, 20), 8, 64).values()) == [1, 1, 1, 1], "not worth the start"


@given(st.lists(st.integers(0, 10**9), min_size=4, max_size=4), st.integers(1, 256), st.integers(1, 256))
def test_every_stage_has_a_process_and_the_cores_are_about_enough(
    waiting: list[int], cores: int, most: int
) -> None:
    """Prevents: a stage without any, and four stages that each take the whole machine."""
    found = allot(loads(*waiting), cores, most)
    assert all(1 <= number <= most for number in found.values())
    assert sum(found.values()) <= cores + len(NAMES)


class _River:
    """Notes who is resized, and does it."""

    def __init__(self) -> None:
        self.stages = [Stage(name, 0, 0, 0.0) for name in [*NAMES, "mixer"]]
        self.told: list[tuple[str, int]] = []

    def resize(self, name: str, number: int) -> None:
        self.told.append((name, number))
        self.stages = [replace(s, processes=number) if s.name == name else s for s in self.stages]

    def work(self, messages: int, waiting: int) -> None:
        """So many go through every stage, and then so many wait before the first."""
        self.stages = [
            replace(
                stage,
                taken=stage.taken + messages,
                waiting=waiting if stage.name == NAMES[0] else 0,
                cpu_seconds=stage.cpu_seconds + messages * COST_S.get(stage.name, 1.0),
            )
            for stage in self.stages
        ]


@pytest.fixture
def river() -> _River:
    return _River()


def test_a_river_gets_what_its_costs_ask_for_and_keeps_it(river: _River) -> None:
    """Prevents: a river whose costs nobody measures, and processes that come and go at every look."""
    now = 0.0
    balance = Balance(river, NAMES, 16, cores=8, clock=lambda: now)
    balance.look(river.stages)
    for _ in range(20):
        now += EVERY_S
        river.work(1_000, 100_000)
        balance.look(river.stages)
        balance.look(river.stages)  # at the same moment: nothing
    assert river.told == [("classifier+scorer", 5)]
    for _ in range(PATIENCE):
        now += EVERY_S
        river.work(1_000, 0)
        balance.look(river.stages)
    assert river.told[1:] == [("classifier+scorer", 1)], "they go when nothing is left"


def test_a_moment_moves_nobody(river: _River) -> None:
    """Prevents: a rebalance for every burst of a crawl."""
    now = 0.0
    balance = Balance(river, NAMES, 16, cores=8, clock=lambda: now)
    for turn in range(40):
        balance.look(river.stages)
        now += EVERY_S
        river.work(1_000, 100_000 if turn % PATIENCE else 0)
    assert river.told == []


def test_nothing_is_moved_before_costs_are_known(river: _River) -> None:
    """Prevents: processes by the CPU time of a start."""
    now = 0.0
    balance = Balance(river, NAMES, 16, cores=8, clock=lambda: now)
    for _ in range(PATIENCE * 2):
        balance.look(river.stages)
        now += EVERY_S
        river.work(KNOWN // (PATIENCE * 3), 100_000)
    assert river.told == []
