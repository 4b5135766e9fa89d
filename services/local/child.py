"""One supervised program over all its starts: whether and when it is started again, and what it used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from services.local.guard import remove
from services.local.usage import Used, members, used
from services.local.zygote import Zygote
from services.runtime import ConfigurationError

# A child that lives shorter than this did not get to work. So many in a row, and it never will:
# kills (SIGKILL: a test, the kernel short of memory) are another's doing and get more patience.
QUICK_S = 10.0
MAX_QUICK_FAILURES = 5
MAX_QUICK_KILLS = 50
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
MAX_LOG_BYTES = 32 << 20  # a longer log is set aside as .1 when the child starts again


@dataclass(frozen=True)
class Program:
    """What to run, and how it ends.

    environment: on top of the parent's. log: where its output goes, appended.
    leaves: how the paths begin of what a killed process leaves behind; removed before and after it runs.
    stop: the signal that ends it; grace_s: from then to SIGKILL.
    done: exit codes after which it is not started again.
    fatal: exit codes that starting again cannot mend (a wrong setting).
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    leaves: Sequence[Path] = ()
    stop: signal.Signals = signal.SIGTERM
    grace_s: float = 20.0
    done: frozenset[int] = frozenset()
    fatal: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Exit:
    """An end that nobody asked for. code: the exit status, or minus the signal's number."""

    name: str
    pid: int
    code: int
    lived_s: float

    def __str__(self) -> str:
        how = (
            f"was ended by {signal.Signals(-self.code).name}" if self.code < 0 else f"exited with {self.code}"
        )
        return f"{self.name} (process {self.pid}) {how} after {self.lived_s:.1f} s"


class Child:
    """One supervised program over all its starts. Made by `Supervisor.start`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.pid: int | None = None  # of the running process
        self.restarts = 0
        self.exits: deque[Exit] = deque(maxlen=100)
        self.failure: str | None = None  # why it was given up
        self.started = False
        self.done = False  # ended as planned
        self.stopping = False
        self._spent = 0.0  # CPU seconds of the ended processes
        # Of any process that it was, its workers included, whenever it was asked for: what the system says at
        # an end (ru_maxrss) is never less than what the parent had at the start.
        self._peak_bytes = 0
        self._started = 0.0
        self._restart_at = 0.0
        self._quick_failures = 0
        self._quick_kills = 0

    @property
    def over(self) -> bool:
        """Nothing runs and nothing will."""
        return self.pid is None and (self.done or self.stopping or self.failure is not None)

    def used(self, pids: Sequence[int]) -> Used:
        """By every process it ever was, its workers included. pids: those that it is now.

        Memory is that of one time that it was started, not of all.
        """
        spent, now = self._spent, used(pids)
        self._peak_bytes = max(self._peak_bytes, now.peak_bytes)
        return Used(spent + now.cpu_seconds, self._peak_bytes)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process alone; the supervisor starts it again if it dies of it."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def spawn(self, zygote: Zygote | None, announce: Callable[[int], None]) -> None:
        """Start the process, forked where the zygote can. Raises ConfigurationError if that cannot be.

        announce: called with its id, which is also its group's.
        """

        def note(pid: int) -> None:
            announce(pid)
            self.pid = pid
            self.started = True
            self._started = time.monotonic()

        remove(self.program.leaves)
        command = [str(part) for part in self.program.command]
        environment = {**os.environ, **self.program.environment}
        with _open_log(self.program.log) as log:
            if zygote is not None and zygote.start(command, environment, log.fileno(), note):
                return
            try:
                note(_start(command, environment, log))
            except OSError as error:
                raise ConfigurationError(f"{self.program.name} cannot be started: {error}") from error

    def reap(self) -> int | None:
        """The id of the process if it has ended since the last call."""
        pid = self.pid
        if pid is None:
            return None
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if not ended:
            return None
        self._spent += usage.ru_utime + usage.ru_stime + _end_group(pid)
        self.pid = None
        remove(self.program.leaves)
        self._decide(pid, os.waitstatus_to_exitcode(status))
        return pid

    def due(self) -> bool:
        """It is time to start again."""
        return self.pid is None and not self.over and time.monotonic() >= self._restart_at

    def _decide(self, pid: int, code: int) -> None:
        """Done, given up, or to be started again after a pause."""
        lived_s = time.monotonic() - self._started
        if self.stopping:
            return
        if code in self.program.done:
            self.done = True
            return
        self.exits.append(Exit(self.program.name, pid, code, lived_s))
        if lived_s >= QUICK_S:
            self._quick_failures = self._quick_kills = 0
        elif code == -signal.SIGKILL:
            self._quick_kills += 1
        else:
            self._quick_failures += 1
        hopeless = self._quick_failures >= MAX_QUICK_FAILURES or self._quick_kills >= MAX_QUICK_KILLS
        if hopeless or code in self.program.fatal:
            self.failure = f"{self.exits[-1]}. The end of {self.program.log}:\n{tail(self.program.log)}"
            return
        self.restarts += 1
        again = max(self._quick_failures, self._quick_kills, 1) - 1
        self._restart_at = time.monotonic() + min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(again, 10))


def _start(command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> int:
    """Start a program plainly; its process id. Raises OSError."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    process.returncode = 0  # reaped by its Child with its CPU time, not by subprocess
    return process.pid


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, or nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _open_log(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(path.suffix + ".1"))
        return path.open("ab")
    except OSError as error:
        raise ConfigurationError(f"the log {path} cannot be written: {error}") from error


def _end_group(group: int) -> float:
    """Kill the workers that a dead leader left, and return the CPU seconds that they had used."""
    if not signal_group(group, 0):
        return 0.0
    spent = used(members([group])[group]).cpu_seconds
    signal_group(group, signal.SIGKILL)
    return spent


def signal_group(group: int, number: int) -> bool:
    """False where nobody of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
