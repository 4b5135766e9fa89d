"""A river that runs all along, for measuring: what work costs once every process is warm.

CPU seconds are of all processes together: services, their workers, broker and Redis. Starting is
measured apart, and so is what the river spends when nothing comes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.local.river import settle
from services.runtime.clients.log import Log
from tests.benchmarks.composition import without_judges
from tests.benchmarks.corpus import Row, write
from tests.e2e.home import Home, home

IDLE_S = 5.0
TICK_S = 0.5  # as `run` looks whether all is done, which costs the broker something


@dataclass(frozen=True)
class Spent:
    """cpu: seconds by process. wall_s: from the first document in docs.raw to the last part; elapsed_s:
    the whole time in which the CPU was spent.
    """

    cpu: Mapping[str, float]
    wall_s: float
    elapsed_s: float

    @property
    def total(self) -> float:
        """CPU seconds of all."""
        return sum(self.cpu.values())


class Running:
    """start: CPU seconds by process until it was warm. idle: what `rest` said then."""

    def __init__(self, found: Home, folder: Path) -> None:
        self.home = found
        self._folder = folder
        self._files = 0
        self._import_start = 0.0
        self.idle = 0.0

    def warm(self, rows: Sequence[Row]) -> None:
        """Start, and bring so few documents through that starting is nearly all of it."""
        self.home.river.start()
        self.put(rows[:-1])
        self.start = self.cpu()
        self._import_start = self.put(rows[-1:]).cpu["ingest"]
        self.idle = self.rest(IDLE_S)

    def rest(self, seconds: float) -> float:
        """CPU seconds a second when nothing comes and somebody looks, as `put` does, whether all is done."""
        time.sleep(1)
        before, begun = sum(self.cpu().values()), time.monotonic()
        while time.monotonic() < begun + seconds:
            self.home.river.upstream_is_dry()
            time.sleep(TICK_S)
        return (sum(self.cpu().values()) - before) / (time.monotonic() - begun)

    def put(self, rows: Sequence[Row]) -> Spent:
        """Import the documents and wait until all have found their end; starting the import is left out."""
        self._files += 1
        path = write(self._folder / f"{self._files}.jsonl", rows)
        marks, before, begun = self.home.river.marks(), self.cpu(), time.monotonic()
        reading = [self.home.river.ingest([str(path)])]
        for _ in settle(self.home.river, reading, str(time.time_ns())):
            time.sleep(TICK_S)
        spent = {name: seconds - before.get(name, 0.0) for name, seconds in self.cpu().items()}
        elapsed_s = time.monotonic() - begun
        spent["ingest"] -= self._import_start
        return Spent(spent, self._wall_s(marks), elapsed_s)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by process."""
        return {name: used.cpu_seconds for name, used in self.home.river.used().items()}

    def _wall_s(self, marks: Mapping[tuple[str, int], int]) -> float:
        with Log(self.home.settings) as log:
            ends = log.ends(["docs.raw", "shards.sealed"])
            read = log.read({tp: (marks[tp], end) for tp, end in ends.items()})
            times = [record.timestamp for record in read]
        return (max(times) - min(times)) / 1000


@contextmanager
def running(
    folder: Path, warm_up: Sequence[Row], settings: Mapping[str, str] | None = None, *, judges: bool = False
) -> Iterator[Running]:
    """A river warmed up with documents that are not of the measurement; with judges it is as it ships."""
    composed = {} if judges else without_judges(folder)
    with home(folder / "out", {**composed, **(settings or {})}, lanes=None) as found:
        river = Running(found, folder)
        river.warm(warm_up)
        yield river
