"""What more processes a stage bring: measured on this machine, and worked out for larger ones.

The same documents through `run` with one and with two processes for each stage that can be shared. For a
machine of more cores the pipeline is worked out from what each stage has cost: it moves as fast as its
slowest stage, a stage no faster than its processes have a core each, and all together no faster than there
are cores. Kafka and Triton, which have threads of their own, count as work that any core does; reading, mixer
and sink stay single processes.

`python -m tests.benchmarks.workers PATH…` takes documents of one's own in the place of made ones. What all
held of memory together, and the longest time in which nothing new was on the screen, are told with each run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
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
SILENCE_S = 5.0
MANY = 10_000_000  # documents that wait: enough for any number of processes to be worth it


def run(paths: Sequence[str] = ()) -> Iterator[Figure]:
    """Documents a second by --workers, then by cores. paths: of documents, in the place of made ones."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        read = paths or [str(write_jsonl(folder / "made.jsonl", NUMBER))]
        for workers in (1, 2):
            report, silence_s = _run(read, folder / str(workers), workers)
            rate, spent = report["documents_in"] / report["seconds"], sum(report["cpu_seconds"].values())
            case = f"workers: {os.cpu_count()} cores, --workers {workers}"
            yield Figure(case, rate, "documents/s")
            yield Figure(f"{case}, by CPU", report["documents_in"] / spent, "documents/CPU s")
            yield Figure(f"{case}, memory", report["memory_bytes_together"] / 1e6, "MB at most")
            shown = silence_s <= SILENCE_S
            yield Figure(f"{case}, screen", silence_s, "s without a line", f"<= {SILENCE_S}", shown)
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


def _run(paths: Sequence[str], out: Path, workers: int) -> tuple[dict[str, Any], float]:
    """The report, and the longest time between two lines on the screen."""
    command = ["run", *paths, "--out", str(out), "--workers", str(workers)]
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", *command],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = [time.monotonic(), *(time.monotonic() for _ in process.stdout), time.monotonic()]
    if process.returncode:
        raise RuntimeError(f"corpusworks run ended with {process.returncode}")
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found, max(after - before for before, after in pairwise(said))


if __name__ == "__main__":
    for figure in run(sys.argv[1:]):
        print(f"{figure.name:60} {figure.value:10.1f} {figure.unit} {figure.target}")
