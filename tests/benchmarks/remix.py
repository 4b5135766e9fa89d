"""What another mix of 20,000 documents costs (`corpusworks mix`), against the run that made them.

CPU seconds of all processes of each command, servers included, as the system counts them. The mix starts no
server; what the same mix costs when nothing is new, which is starting and looking, is told apart.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure
from tests.corpus import write_jsonl
from tests.e2e.commands import ROOT, environment

NUMBER = 20_000
TARGET = 5.0  # % of the CPU of the first run
RECIPE = """
buckets: {code: format == "code", zh: language == "zh", en: language == "en"}
phases: [{name: only, weights: {zh: 1, en: 3, code: 1}}]
"""


def run() -> Iterator[Figure]:
    """CPU seconds of the run, of the mix, and of the mix again."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        made, recipe = write_jsonl(folder / "made.jsonl", NUMBER), folder / "recipe.yaml"
        recipe.write_text(RECIPE)
        first = _cpu_seconds("run", made, "--out", folder / "first")
        mix = ("mix", "--from", folder / "first", "--out", folder / "mixed", "--recipe", recipe)
        whole, starting = _cpu_seconds(*mix), _cpu_seconds(*mix)
    yield Figure(f"remix: a run over {NUMBER:,} documents", first, "s CPU")
    yield Figure("remix: another mix of them", whole, "s CPU")
    yield Figure("remix: the same again, nothing new", starting, "s CPU")
    share = 100 * whole / first
    yield Figure("remix: another mix", share, "% of the CPU of the run", f"<= {TARGET}", share <= TARGET)
    yield Figure("remix: another mix, without starting", 100 * (whole - starting) / first, "% of the same")


def _cpu_seconds(*command: str | Path) -> float:
    """Of a command and all that it started and waited for. Raises RuntimeError: it ends with an error."""
    arguments = [sys.executable, "-m", "services.cli", *map(str, command)]
    with subprocess.Popen(arguments, env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"corpusworks {command[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.3f} {figure.unit} {figure.target} {figure.passed or ''}")
