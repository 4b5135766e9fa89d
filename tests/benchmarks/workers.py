"""What more processes a stage bring: measured on this machine, and worked out for larger ones.

The same documents through `run` with one and with two processes for each stage that can be shared. For a
machine of more cores the pipeline is worked out from what each stage has cost: it moves as fast as its
slowest stage, a stage no faster than its processes have a core each, and all together no faster than there
are cores. Kafka and Triton, which have threads of their own, count as work that any core does; reading, mixer
and sink stay single processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from services.local.balance import Load, allot
from tests.benchmarks.figures import Figure
from tests.corpus import write_jsonl
from tests.e2e.commands import ROOT, environment

NUMBER = 6_000
SHARED_OUT = ("parse", "rules", "classifier", "tokenizer")  # the first of each stage
THREADED = ("kafka", "triton", "redis", "zygote")
MANY = 10_000_000  # documents that wait: enough for any number of processes to be worth it


def run() -> Iterator[Figure]:
    """Documents a second by --workers, then by cores."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        made = write_jsonl(folder / "made.jsonl", NUMBER)
        for workers in (1, 2):
            report = _run(made, folder / str(workers), workers)
            rate = report["documents_in"] / report["seconds"]
            yield Figure(f"workers: {os.cpu_count()} cores, --workers {workers}", rate, "documents/s")
            if workers == 1:
                costs = {name: s / report["documents_in"] for name, s in report["cpu_seconds"].items()}
    for cores in (2, 8, 64):
        alone = _rate(costs, cores, dict.fromkeys(SHARED_OUT, 1))
        shared = _rate(costs, cores, allot([Load(n, MANY, costs[n]) for n in SHARED_OUT], cores, cores))
        yield Figure(f"workers: {cores} cores, one process a stage, worked out", alone, "documents/s")
        yield Figure(f"workers: {cores} cores, --workers auto, worked out", shared, "documents/s")


def _rate(costs: Mapping[str, float], cores: int, processes: Mapping[str, int]) -> float:
    """Documents a second in the long run."""
    slowest = max(cost / processes.get(name, 1) for name, cost in costs.items() if name not in THREADED)
    return min(cores / sum(costs.values()), 1 / slowest)


def _run(made: Path, out: Path, workers: int) -> dict[str, Any]:
    command = ["run", str(made), "--out", str(out), "--workers", str(workers)]
    subprocess.run(
        [sys.executable, "-m", "services.cli", *command],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.1f} {figure.unit}")
