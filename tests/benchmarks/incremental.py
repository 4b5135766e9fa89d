"""What 1 % more documents cost after 20,000, and what it costs to run datatrove's MinHash over all again.

The river runs all along, so nothing starts but the import, which is left out on both sides, with the forking
of it. What the river spends in the same time on nothing is taken off on both sides too. 1 % is put in several
times, and after each the river rests for as long: idling is a fifth of such a bill and drifts. The median
counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.corpus import Row, documents, num_bytes
from tests.benchmarks.figures import Figure
from tests.benchmarks.river import datatrove
from tests.benchmarks.running import Spent, running

ALL, TIMES, WARM_UP, SAMPLE = 20_000, 9, 30, 900
MORE = ALL // 100
AIM_BYTES = 2_500  # so that the real documents suffice
TARGET = 1.5  # % of the CPU that all cost


def run() -> Iterator[Figure]:
    """CPU seconds for all and for 1 % more, and their ratio, of the river as it ships and of one without
    judges, where all is cheaper and what a flow costs by itself is not; the rival's beside them.
    """
    rows = documents(WARM_UP + ALL + TIMES * MORE, aim_bytes=AIM_BYTES)
    yield Figure(f"incremental: mean document of {len(rows):,}", num_bytes(rows) / len(rows) / 1000, "kB")
    yield from _bill(rows, "as it ships", judges=True)
    yield from _bill(rows, "without judges", judges=False)
    rival = sum(datatrove(rows[WARM_UP : WARM_UP + SAMPLE], "minhash").values())
    again = rival * (ALL + MORE)
    yield Figure(f"incremental: datatrove's MinHash again over all, from {SAMPLE}", again, "s CPU")
    yield Figure(
        "incremental: datatrove's MinHash again over all", 100 * again / (rival * ALL), "% of its CPU"
    )


def _bill(rows: Sequence[Row], river_is: str, *, judges: bool) -> Iterator[Figure]:
    with TemporaryDirectory() as folder, running(Path(folder), rows[:WARM_UP], judges=judges) as river:
        rows = rows[WARM_UP:]
        everything = river.put(rows[:ALL])
        bills, idle = [], []
        for start in range(ALL, len(rows), MORE):
            spent = river.put(rows[start : start + MORE])
            idle.append(river.rest(spent.elapsed_s))
            bills.append(_work(spent, idle[-1]))
    whole, bill = _work(everything, statistics.median(idle)), statistics.median(bills)
    yield Figure(f"incremental, {river_is}: idling, taken off", 100 * statistics.median(idle), "% of a core")
    yield Figure(f"incremental, {river_is}: {ALL:,} documents", whole, "s CPU")
    yield Figure(f"incremental, {river_is}: {MORE} more", bill, "s CPU")
    share = 100 * bill / whole
    yield Figure(
        f"incremental, {river_is}: 1 % more", share, "% of the CPU of all", f"<= {TARGET}", share <= TARGET
    )


def _work(spent: Spent, idle: float) -> float:
    """CPU seconds without the import and without what idling costs in that time."""
    return spent.total - spent.cpu["ingest"] - spent.cpu["zygote"] - idle * spent.elapsed_s


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.3f} {figure.unit} {figure.target} {figure.passed or ''}")
