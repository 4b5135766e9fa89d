"""python -m tests.benchmarks [NAME…]: run every benchmark, or those named, and print the figures.

A figure that misses its target is said so and is no failure: a busy machine is not a bug. A benchmark
that raises is one: exit code 1.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import tests.benchmarks
from services.runtime.process.collector import settle_collector
from tests.benchmarks.figures import Figure

VERDICTS = {True: "holds", False: "MISSED", None: ""}


def benchmarks(names: list[str]) -> dict[str, Callable[[], Iterator[Figure]]]:
    """The modules of this folder that have run(), by name."""
    folder = [str(Path(file).parent) for file in [tests.benchmarks.__file__] if file]
    found = {}
    for module in pkgutil.iter_modules(folder):
        if module.name != "__main__" and (not names or module.name in names):
            loaded = importlib.import_module(f"tests.benchmarks.{module.name}")
            if hasattr(loaded, "run"):
                found[module.name] = loaded.run
    return found


def line(figure: Figure) -> str:
    """One row of the table."""
    value = f"{figure.value:,.0f}" if abs(figure.value) >= 1000 else f"{figure.value:.3g}"
    row = f"{figure.name:62} {value:>9} {figure.unit:22} {figure.target:9} {VERDICTS[figure.passed]}"
    return row.rstrip()


def main() -> int:
    """See the module."""
    wanted = sys.argv[1:]
    chosen = benchmarks(wanted)
    if unknown := set(wanted) - set(chosen):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(benchmarks([]))}")
        return 2
    settle_collector()  # as in every worker: units are measured in this process
    missed, failed = [], []
    for name, run in chosen.items():
        begun = time.monotonic()
        try:
            for figure in run():
                print(line(figure), flush=True)
                if figure.passed is False:
                    missed.append(figure)
        except Exception:  # noqa: BLE001 - whatever it is, the other benchmarks still run
            traceback.print_exc()
            failed.append(name)
        print(f"-- {name}: {time.monotonic() - begun:.0f} s\n", flush=True)
    for figure in missed:
        print("missed:", line(figure))
    if failed:
        print(f"raised: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
