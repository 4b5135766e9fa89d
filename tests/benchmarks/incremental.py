"""What 1 % more documents cost after 20,000, and what it costs to run datatrove's MinHash over all again.

The river runs all along, so nothing starts but the import, which is left out on both sides, with the forking
of it. What the river spends in the same time on nothing is taken off on both sides too. 1 % is put in several
times, and after each the river rests for as long: idling is a fifth of such a bill and drifts. The median
counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.corpus import documents, num_bytes
from tests.benchmarks.figures import Figure
from tests.benchmarks.river import datatrove
from tests.benchmarks.running import Spent, running

ALL, TIMES, WARM_UP, SAMPLE = 20_000, 9, 30, 900
MORE = ALL // 100
AIM_BYTES = 2_500  # so that the real documents suffice
TARGET = 1.5  # % of the CPU that all cost


def run() -> Iterator[Figure]:
    """CPU seconds for all and for 1 % more, and their ratio; the rival's beside them."""
    rows = documents(WARM_UP + ALL + TIMES * MORE, aim_bytes=AIM_BYTES)
    with TemporaryDirectory() as folder, running(Path(folder), rows[:WARM_UP]) as river:
        rows = rows[WARM_UP:]
        everything = river.put(rows[:ALL])
        bills, idle = [], []
        for start in range(ALL, len(rows), MORE):
            spent = river.put(rows[start : start + MORE])
            idle.append(river.rest(spent.elapsed_s))
            bills.append(_work(spent, idle[-1]))
    whole, bill = _work(everything, statistics.median(idle)), statistics.median(bills)
    yield Figure("incremental: idling, taken off", 100 * statistics.median(idle), "% of a core")
    yield Figure(f"incremental: mean document of {len(rows):,}", num_bytes(rows) / len(rows) / 1000, "kB")
    yield Figure(f"incremental: {ALL:,} documents", whole, "s CPU")
    yield Figure(f"incremental: {MORE} more", bill, "s CPU")
    share = 100 * bill / whole
    yield Figure("incremental: 1 % more", share, "% of the CPU of all", f"<= {TARGET}", share <= TARGET)
    rival = sum(datatrove(rows[:SAMPLE], "minhash").values())
    again = rival * (ALL + MORE)
    yield Figure(f"incremental: datatrove's MinHash again over all, from {SAMPLE}", again, "s CPU")
    yield Figure(
        "incremental: datatrove's MinHash again over all", 100 * again / (rival * ALL), "% of its CPU"
    )


def _work(spent: Spent, idle: float) -> float:
    """CPU seconds without the import and without what idling costs in that time."""
    return spent.total - spent.cpu["ingest"] - spent.cpu["zygote"] - idle * spent.elapsed_s


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.3f} {figure.unit} {figure.target} {figure.passed or ''}")
