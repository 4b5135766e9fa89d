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
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import IO

from services.local import interrupt
from services.local.child import Child, Program, signal_group
from services.local.remains import Remains
from services.local.usage import Used, members, together, used
from services.local.zygote import Zygote
from services.runtime import ConfigurationError, CorpusworksError

TICK_S = 0.03
_WEIGH_EVERY_S = 5.0


class ProcessFailed(CorpusworksError):
    """A child cannot be kept running; the text ends with the tail of its log."""


class Supervisor:
    """Keeps children running until they are stopped. All methods may be called from any thread.

    keep_open: file descriptors (a lock) that stay open until no child is left, the parent's sudden
    death included. zygote: forks the programs in Python; it is started with the first child of any kind.
    remains: a file of a folder that is held, which says what runs; what a former holder left is ended.
    """

    def __init__(
        self, keep_open: Sequence[int] = (), zygote: Zygote | None = None, remains: Path | None = None
    ) -> None:
        self.children: dict[str, Child] = {}
        self._keep_open = tuple(keep_open)
        self._guard: subprocess.Popen[str] | None = None
        self._zygote = zygote
        self._remains = Remains(remains) if remains is not None else None
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
                        signal_group(child.pid, signal.SIGKILL)
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
        """Raises ProcessFailed if a child was given up; Interrupted, if that was swallowed."""
        interrupt.again()
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
        if self._remains is not None and isinstance(what, int):
            (self._remains.add if sign == "+" else self._remains.discard)(what)
        if what is not None and self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # replaced at the next start
                self._guard.stdin.write(f"{sign}{what}\n")


def _has_orphans(group: int) -> bool:
    """Whether this process still has children in the group of a dead one; those that ended are let go."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
