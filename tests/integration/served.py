"""A service's process, forked from one that has imported what all of them need: 2 s of CPU less a start."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from services.local.zygote import Zygote, _take_up_orphans

ROOT = Path(__file__).parents[2]
MODULES = ("services.cli.app", "services.dedup", "services.mixer.task", "services.sink", "services.catalog")


class Served:
    """What a test asks of it, as subprocess.Popen would answer."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, minus the signal that ended it, or None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM, unless it has ended."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, unless it has ended; what it has started goes on."""
        self.send_signal(signal.SIGKILL)


Process = Served | subprocess.Popen[bytes]


def serve(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start `python -m services.cli ARGUMENTS` in a session of its own; it appends to this log.

    Started plainly where it cannot be forked: no Linux, or other variables that Python reads at its start.
    """
    command = [sys.executable, "-m", "services.cli", *arguments]
    with log.open("ab") as file:
        if Path.cwd() == ROOT and (pid := _fork(command, environment, file.fileno())):
            return Served(pid)
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )


@cache
def _zygote() -> Zygote:
    zygote = Zygote(MODULES)
    atexit.register(zygote.close)
    return zygote


def _fork(command: Sequence[str], environment: Mapping[str, str], log: int) -> int | None:
    """Its id. This process takes up orphans for the moment alone: other tests have theirs die elsewhere."""
    zygote, started = _zygote(), list[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment["PYTHONPATH"])
        zygote.ensure()
    _take_up_orphans(True)
    try:
        return started[0] if zygote.start(command, environment, log, started.append) else None
    finally:
        _take_up_orphans(False)
