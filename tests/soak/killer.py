"""A killer from outside: it looks at the processes of a run and sends SIGKILL to one after the other."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.e2e.commands import start

# How a process is told by its command line.
_MARKS = {
    "worker": "services.runtime.process.worker",
    "reader": "services.runtime.process.reader",
    "guard": "guard.py",
    "zygote": "services.local.zygote",
    "kafka": "kafka.Kafka",
    "redis": "-server 127.0.0.1:",  # Redis and Valkey name themselves anew
    "triton": "tritonserver",
    "service": "services.cli",
}
RUN = "coordinator"


@dataclass
class Killer:
    """Runs one command again and again until it ends by itself, killing among its processes meanwhile.

    pause_s: between two kills, from and to. life_s: of the command itself, likewise, since nothing else is
    there at first to be killed. kills: how often each kind was hit.
    """

    random_: random.Random
    pause_s: tuple[float, float] = (0.2, 4.0)
    life_s: tuple[float, float] = (1.0, 60.0)
    kills: Counter[str] = field(default_factory=Counter)

    def run(self, *arguments: str | Path, settings: dict[str, str], most: int, timeout_s: float) -> str:
        """Until the command exits 0; after `most` kills it is left alone. What it said last. Raises
        AssertionError when it ends with another code than a kill's, TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        spent = 0
        while True:
            process = start(*arguments, settings=settings)
            mortal = time.monotonic() + self.random_.uniform(*self.life_s)
            try:
                while process.poll() is None:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{arguments} after {self.kills}")
                    time.sleep(self.random_.uniform(*self.pause_s))
                    if spent < most and self._kill_one(process, time.monotonic() > mortal):
                        spent += 1
            finally:
                if process.poll() is None:
                    process.kill()
                out, err = process.communicate()
            if process.returncode == 0:
                return out
            assert process.returncode == -signal.SIGKILL, f"exit code {process.returncode}:\n{err[-4000:]}"

    def _kill_one(self, process: subprocess.Popen[str], mortal: bool) -> bool:
        """A kind first and one of that kind then, so that the few are hit as often as the many."""
        found: dict[str, list[psutil.Process]] = {}
        for kind, victim in _kinds(process.pid):
            found.setdefault(kind, []).append(victim)
        if not mortal:
            found.pop(RUN, None)
        if not found:
            return False
        kind = RUN if mortal else self.random_.choice(sorted(found))
        victim = self.random_.choice(found[kind])
        try:
            victim.kill()
        except psutil.Error:
            return False
        self.kills[kind] += 1
        return True


def _kinds(pid: int) -> Iterator[tuple[str, psutil.Process]]:
    try:
        run = psutil.Process(pid)
        family = run.children(recursive=True)
    except psutil.Error:
        return
    yield RUN, run
    for child in family:
        try:
            command = " ".join(child.cmdline())
        except psutil.Error:
            continue
        kind = next((kind for kind, mark in _MARKS.items() if mark in command), None)
        if kind is not None:
            yield kind, child
