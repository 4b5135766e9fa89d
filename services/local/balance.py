"""How many processes each stage has: the cores of the machine, by the work that is left to each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

EVERY_S = 5.0
PATIENCE = 3  # times in a row that a stage must be worth another number, before it gets it
WORTH_S = 10.0  # of CPU that another process must find to do: its start takes a second, and a rebalance
KNOWN = 50  # messages, after which a stage's cost is known


@dataclass(frozen=True)
class Stage:
    """One stage of the river: how many messages have gone into it, and how many wait before it.

    processes: how many share the work now. peak_bytes: of their memory.
    """

    name: str
    taken: int
    waiting: int
    cpu_seconds: float
    processes: int = 1
    peak_bytes: int = 0


@dataclass(frozen=True)
class Load:
    """waiting: messages before a stage. cost_s: CPU seconds of one, 0 while that is not known."""

    name: str
    waiting: int
    cost_s: float


def allot(loads: Sequence[Load], cores: int, most: int) -> dict[str, int]:
    """Processes by stage: its share of the cores is its share of the work, at least one, no more than `most`.

    loads: in the order of the river; what waits before a stage is work for all behind it too. A stage never
    has more than find WORTH_S of work each.
    """
    ahead, work = 0, dict[str, float]()
    for load in loads:
        ahead += load.waiting
        work[load.name] = ahead * load.cost_s
    whole = sum(work.values())
    return {
        name: max(1, min(round(cores * seconds / whole), int(seconds / WORTH_S), most)) if whole else 1
        for name, seconds in work.items()
    }


class Staffed(Protocol):
    """What is balanced: a river."""

    def resize(self, name: str, number: int) -> None:
        """Give a stage so many processes."""


class Balance:
    """Gives the stages of a running river processes, by what they have cost so far and what waits.

    names: of the stages that any number of processes may share. cores, most: see allot().
    """

    def __init__(
        self,
        river: Staffed,
        names: Sequence[str],
        most: int,
        *,
        cores: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._river = river
        self._names = names
        self._most = most
        self._cores = cores or available_cores()
        self._clock = clock
        self._due = 0.0
        self._first: dict[str, Stage] = {}
        self._wish: dict[str, tuple[int, int]] = {}  # by stage: which number, and how often in a row

    def look(self, stages: Sequence[Stage]) -> None:
        """Every now and then, at the stages as they stand."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY_S
        mine = [stage for stage in stages if stage.name in self._names]
        wanted = allot([self._load(stage) for stage in mine], self._cores, self._most)
        for stage in mine:
            number = wanted[stage.name]
            wished, times = self._wish.get(stage.name, (number, 0))
            self._wish[stage.name] = number, times + 1 if wished == number else 1
            if number != stage.processes and self._wish[stage.name][1] >= PATIENCE:
                self._river.resize(stage.name, number)

    def _load(self, stage: Stage) -> Load:
        first = self._first.setdefault(stage.name, stage)
        done = stage.taken - first.taken
        cost = (stage.cpu_seconds - first.cpu_seconds) / done if done >= KNOWN else 0.0
        return Load(stage.name, stage.waiting, max(cost, 0.0))


def available_cores() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
