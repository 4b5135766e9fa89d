"""Child processes: started, restarted when they die, stopped, and what they use counted.

A thread reaps and restarts, so that a broker comes back while its own parent waits for it. Children
lead sessions of their own: Ctrl-C in a terminal reaches the parent alone, and a signal to the group
takes a child's workers with it. `guard` ends every group when the parent dies by any means. Programs in
Python are forked by a `zygote` where there is one: that saves their imports and changes nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO

from services.local import interrupt
from services.local.guard import remove
from services.local.usage import Used, members, together, used
from services.local.zygote import Zygote
from services.runtime import ConfigurationError, CorpusworksError

TICK_S = 0.03
# A child that lives shorter than this did not get to work. So many in a row, and it never will:
# kills (SIGKILL: a test, the kernel short of memory) are another's doing and get more patience.
QUICK_S = 10.0
MAX_QUICK_FAILURES = 5
MAX_QUICK_KILLS = 50
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
_WEIGH_EVERY_S = 5.0
MAX_LOG_BYTES = 32 << 20  # a longer log is set aside as .1 when the child starts again


class ProcessFailed(CorpusworksError):
    """A child cannot be kept running; the text ends with the tail of its log."""


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


class Supervisor:
    """Keeps children running until they are stopped. All methods may be called from any thread.

    keep_open: file descriptors (a lock) that stay open until no child is left, the parent's sudden
    death included. zygote: forks the programs in Python; it is started with the first child of any kind.
    """

    def __init__(self, keep_open: Sequence[int] = (), zygote: Zygote | None = None) -> None:
        self.children: dict[str, Child] = {}
        self._keep_open = tuple(keep_open)
        self._guard: subprocess.Popen[str] | None = None
        self._zygote = zygote
        self._orphaned: set[int] = set()  # groups of dead children whose workers came to this process
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.most_bytes = 0  # of memory that all held together, as often as `used` looked at it
        self._weigh_at = 0.0

    def start(self, program: Program) -> Child:
        """Start a program under a name that is not running. Raises ConfigurationError."""
        interrupt.hold()
        with self._changed:
            former = self.children.get(program.name)
            if former and not former.over:
                raise ValueError(f"{program.name} is running already")
            child = Child(program)
            if former:  # the same program goes on: its history counts
                child._spent, child._peak_bytes = former._spent, former._peak_bytes
                child.restarts, child.exits = former.restarts, former.exits
            self._ensure_guard()
            self.children[program.name] = child
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
                self._thread.start()
            # The thread starts it: Ctrl-C, which the main thread takes, must not fall between the start
            # of a process and the note of its id.
            self._changed.notify_all()
            while not child.started and child.failure is None:
                self._changed.wait(0.1)
            if not child.started:
                del self.children[program.name]
                raise ConfigurationError(str(child.failure))
        return child

    def tell(self, *children: Child) -> None:
        """Tell them to stop, all at once, and do not wait."""
        with self._changed:
            for child in children:
                if not child.stopping:
                    child.stopping = True
                    with contextlib.suppress(ProcessLookupError):
                        child.kill(child.program.stop)

    def stop(self, *children: Child) -> None:
        """Tell them, SIGKILL to those that outlast their grace; returns when they are gone."""
        self.tell(*children)
        with self._changed:
            begun = time.monotonic()
            while waiting := [child for child in children if child.pid is not None]:
                for child in waiting:
                    if child.pid and time.monotonic() - begun > child.program.grace_s:
                        _signal_group(child.pid, signal.SIGKILL)
                self._changed.wait(0.1)

    def ending(self) -> list[str]:
        """Names of those that were told to stop and are not gone."""
        children = list(self.children.items())
        return [name for name, child in children if child.stopping and child.pid is not None]

    def close(self) -> None:
        """Stop all that is left, and the thread."""
        self.stop(*self.children.values())
        with self._changed:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread and thread is not threading.current_thread():
            thread.join()
        if self._zygote is not None:
            self._announce("-", self._zygote.pid)
            self._zygote.close()
        self._orphaned = {group for group in self._orphaned if _has_orphans(group)}
        guard, self._guard = self._guard, None
        if guard and guard.stdin:
            with contextlib.suppress(BrokenPipeError):
                guard.stdin.close()
            guard.wait()

    def check(self) -> None:
        """Raises ProcessFailed if a child was given up."""
        for child in self.children.values():
            if child.failure:
                raise ProcessFailed(child.failure)

    def used(self) -> dict[str, Used]:
        """So far by name, the zygote's included; one pass over the machine's processes."""
        children = {name: (child, child.pid) for name, child in list(self.children.items())}
        zygote = self._zygote.pid if self._zygote is not None else None
        found = members([pid for pid in (zygote, *(pid for _, pid in children.values())) if pid is not None])
        if (now := time.monotonic()) >= self._weigh_at:
            self._weigh_at = now + _WEIGH_EVERY_S
            self.most_bytes = max(self.most_bytes, together(chain.from_iterable(found.values())))
        by_name = {name: child.used(found.get(pid or 0, ())) for name, (child, pid) in children.items()}
        return by_name | ({"zygote": used(found[zygote])} if zygote is not None else {})

    def _watch(self) -> None:
        while not self._closed:
            with self._changed:
                self._ensure_guard()
                self._ensure_zygote()
                self._orphaned = {group for group in self._orphaned if _has_orphans(group)}
                for child in self.children.values():
                    if ended := child.reap():
                        self._announce("-", ended)
                        self._orphaned.add(ended)
                        self._changed.notify_all()
                    elif child.due():
                        self._spawn(child)
                self._changed.wait(TICK_S)

    def _spawn(self, child: Child) -> None:
        try:
            self._ensure_guard()
            for path in child.program.leaves:
                self._announce("*", path)
            child.spawn(self._zygote, lambda pid: self._announce("+", pid))
        except (CorpusworksError, OSError) as error:  # the program or its log is not there
            child.failure = str(error)
        self._changed.notify_all()

    def _ensure_guard(self) -> None:
        """A guard that was killed is replaced, and told what runs."""
        if self._guard is not None and self._guard.poll() is None:
            return
        # What runs is in the pipe before the guard is there: this process may be killed right after. It fits:
        # a pipe holds 64 kB, and a program is a line or two.
        ours, theirs = self._pipe_of_what_runs()
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=self._keep_open,
                text=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            os.close(theirs)
        self._guard.stdin = ours

    def _pipe_of_what_runs(self) -> tuple[IO[str], int]:
        """The end that is written to, which no process inherits, and the one to be read."""
        theirs, write = os.pipe()
        ours = os.fdopen(write, "w", buffering=1)
        for child in self.children.values():
            ours.writelines(f"*{path}\n" for path in child.program.leaves)
            if child.pid is not None:
                ours.write(f"+{child.pid}\n")
        if self._zygote is not None and self._zygote.pid is not None:
            ours.write(f"+{self._zygote.pid}\n")
        return ours, theirs

    def _ensure_zygote(self) -> None:
        """One that was killed is replaced, before it is asked for."""
        if self._zygote is None:
            return
        is_new = self._zygote.ensure()
        while self._zygote.ended:
            self._announce("-", self._zygote.ended.pop())
        if is_new:
            self._announce("+", self._zygote.pid)

    def _announce(self, sign: str, what: int | Path | None) -> None:
        """A line for the guard: see there."""
        if what is not None and self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # replaced at the next start
                self._guard.stdin.write(f"{sign}{what}\n")


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
    if not _signal_group(group, 0):
        return 0.0
    spent = used(members([group])[group]).cpu_seconds
    _signal_group(group, signal.SIGKILL)
    return spent


def _has_orphans(group: int) -> bool:
    """Whether this process still has children in the group of a dead one; those that ended are let go."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
