"""A child process and the pipe to it: forked while this process has no threads, or started anew.

Forked, it has what this process has imported. That is for a process that was forked itself (`seem`), where
all has been made for it; in any other one a child is started as `python -m MODULE …`.
"""

from __future__ import annotations

import importlib
import os
import random
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn, Protocol

from services.runtime.process.title import show

START_LIMIT_S = 120.0  # imports and models, before the first word
_TASKS = Path("/proc/self/task")
_forked = False


class Child(Protocol):
    """What subprocess.Popen and Forked have in common."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""

    def wait(self) -> int:
        """The exit code, or minus the number of the signal that ended it, once it has ended."""

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""


class Forked:
    """A process that os.fork made, as subprocess would show it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """See Child."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """See Child."""
        code = self._reap(0)
        assert code is not None
        return code

    def kill(self) -> None:
        """See Child."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self, options: int) -> int | None:
        if self._code is None:
            ended, status = os.waitpid(self.pid, options)
            if ended:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code


class Died(Exception):
    """The child is gone, and why. killed: by a signal that came from elsewhere."""

    def __init__(self, why: str, killed: bool = False) -> None:
        super().__init__(why)
        self.killed = killed


def death(child: Child | None, what: str) -> Died:
    """How a child that closed its pipe ended; waits for it. what: before `died`, for whom it is told to."""
    status = child.wait() if child is not None else 0
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    return Died(f"{what}died: {how}", killed=status == -signal.SIGKILL)


def start(module: str, arguments: Sequence[str]) -> tuple[Child, Connection]:
    """`python -m module DESCRIPTOR arguments`, and this end of the pipe. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs, _undisturbed():
        descriptor = theirs.fileno()
        child = subprocess.Popen(_command(module, descriptor, arguments), pass_fds=[descriptor])
    return child, Connection(ours.detach())


def fork(module: str, arguments: Sequence[str]) -> tuple[Child, Connection] | None:
    """The same, forked, where the module's `main` is called; None where that is not safe: `start` it when
    it is needed. Raises OSError.
    """
    if not _forked or len(list(_TASKS.iterdir())) > 1:
        return None
    ours, theirs = socket.socketpair()
    with theirs, _undisturbed():
        pid = os.fork()
        if pid == 0:
            ours.close()
            seem(_command(module, theirs.fileno(), arguments))
            run_to_its_end(lambda: importlib.import_module(module).main())
    return Forked(pid), Connection(ours.detach())


def seem(command: Sequence[str]) -> None:
    """Make a process that was just forked look like `python -m MODULE …`, with random numbers of its own."""
    global _forked  # noqa: PLW0603 - of the process
    _forked = True
    show(command)
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    module, *arguments = command[2:]
    sys.orig_argv[:] = command
    sys.argv[:] = [module, *arguments]


def _command(module: str, descriptor: int, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", module, str(descriptor), *arguments]


def run_to_its_end(run: Callable[[], object]) -> NoReturn:
    """In a process that was just forked: never come back into what the parent was doing.

    Nor is what was imported taken apart, as Python does at its end: each page of it would be copied first.
    """
    code = 1
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as Python does at its end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C reaches the child, too, and it is this process that decides when to stop."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
