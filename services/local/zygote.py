"""A process that has imported what services need, and forks each of them: a start costs milliseconds.

    supervisor ── asks ──> zygote ── forks ──> (a moment's process) ── forks ──> the service
The process between ends at once, so that the kernel gives the service to the supervisor, which takes up
orphans: who waits for it, kills it and counts its time notices nothing, and the zygote may die at any time.
A service waits until the supervisor has noted its id, and ends by itself if that is not to be.

The zygote itself is forked off the command where that can be (`begin`), which has imported the half of it;
else it is started.

A service is what `python -m MODULE …` would be: a session, environment, log, folder and command line of its
own, its signals as Python sets them. Only what Python and the C library read at their own start (PYTHON…,
LD_…) is the zygote's, and a program that wants these otherwise is started plainly; so is every one where
there is no Linux.

The zygote has no thread of Python's and no connection. numpy's BLAS has threads, and ends them itself before
a fork; pyarrow and onnxruntime have some that they do not, so that they are imported by who needs them.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from services.runtime.process.child import Child, Forked, run_to_its_end, seem
from services.runtime.process.title import show

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PATIENCE_S = 60.0  # imports on a machine that is busy
_MOMENT_S = 0.05
_TRIES = 3  # zygotes that die before they have done anything
_AT_START = ("PYTHON", "LD_", "GLIBC_", "MALLOC_", "OMP_", "OPENBLAS_", "MKL_")  # variables read once
_LENGTH = 8  # bytes of a request's length
_GO = b"g"


class Zygote:
    """The supervisor's side. modules: what is imported once; one that is not there is left out.

    Not for several threads at once; one in a process, which becomes the one that takes up orphans.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._process: Child | None = None
        self._control: socket.socket | None = None
        self._fixed: dict[str, str] = {}
        self._failures = 0  # since something was started
        self.ended: list[int] = []  # ids of zygotes that are no more

    @property
    def pid(self) -> int | None:
        """Of the process that runs, which also leads its group."""
        return self._process.pid if self._process is not None else None

    def begin(self) -> None:
        """Fork it off this process: .8 s of CPU less than to start it anew. For a command alone, which has
        imported much of it and holds no connection yet. Nothing is done where there are threads, also others
        than Python's: who has used the object store has some, for which each copy of it would wait for ever.
        """
        if threading.active_count() > 1 or not _take_up_orphans(True):
            return
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_PATIENCE_S)
        self._fixed = _fixed(os.environ)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with theirs, _undisturbed():
            pid = os.fork()
            if pid == 0:
                self._control.close()
                _born(theirs, self._modules)
        self._process = Forked(pid)
        if not _is_alone():  # asked now: those of numpy's BLAS have ended by the fork
            self.close()

    def ensure(self) -> bool:
        """See to it that one runs, as far as that can be; whether it is a new one."""
        if self._process is not None:
            if self._process.poll() is None:
                return False
            self._lost()
        if self._failures >= _TRIES or not _take_up_orphans(True):
            return False
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_PATIENCE_S)
        self._fixed = _fixed(os.environ)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), ",".join(self._modules)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        return True

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], log: int, note: Callable[[int], None]
    ) -> bool:
        """Start `python -m MODULE …`; False if it is to be started plainly: nothing runs then.

        log: descriptor for its output. note: called with its id, which is also its group's, before it runs.
        """
        if not self._fits(command, environment) or self._control is None:
            return False
        request = _Request(list(command), dict(environment), os.getcwd())
        read, write = os.pipe()
        try:
            _send(self._control, request, [log, read])
            pid = int.from_bytes(_receive(self._control, _LENGTH), "little")
            if pid:
                note(pid)
                os.write(write, _GO)
                self._failures = 0
            return bool(pid)
        except OSError:  # it is gone, or does not answer
            self._lost()
            return False
        finally:
            os.close(read)
            os.close(write)

    def close(self) -> None:
        """End it; what it has started goes on."""
        if self._process is not None:
            self._lost()
            self._failures = 0
            _take_up_orphans(False)

    def _fits(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        return list(command[:2]) == [sys.executable, "-m"] and _fixed(environment) == self._fixed

    def _lost(self) -> None:
        assert self._process is not None
        assert self._control is not None
        self._control.close()
        self._process.kill()
        self._process.wait()
        self.ended.append(self._process.pid)
        self._process = self._control = None
        self._failures += 1


@dataclass(frozen=True)
class _Request:
    """What a child is to become."""

    command: list[str]
    environment: dict[str, str]
    folder: str


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environment says that is read once, at the start of a process."""
    return {name: value for name, value in environment.items() if name.startswith(_AT_START)}


def _take_up_orphans(yes: bool) -> bool:
    """Whether the kernel gives this process the orphans among its descendants (prctl(2); Linux alone)."""
    if sys.platform != "linux":
        return False
    try:
        done: int = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)
    except (OSError, AttributeError):
        return False
    return done == 0


def _is_alone() -> bool:
    """Whether this process has one thread, of any kind. One that has just ended may be seen for a moment."""
    deadline = time.monotonic() + _MOMENT_S
    while len(os.listdir("/proc/self/task")) > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _send(control: socket.socket, request: _Request, descriptors: Sequence[int]) -> None:
    """A length with the descriptors, then the request. Raises OSError."""
    message = json.dumps(vars(request)).encode()
    socket.send_fds(control, [len(message).to_bytes(_LENGTH, "little")], descriptors)
    control.sendall(message)


def _receive(control: socket.socket, size: int) -> bytes:
    """So many bytes. Raises OSError, EOFError's kin, at the end."""
    found = b""
    while len(found) < size:
        piece = control.recv(size - len(found))
        if not piece:
            raise ConnectionError("the other side is gone")
        found += piece
    return found


def _requests(control: socket.socket) -> Iterator[tuple[_Request, int, int]]:
    """What the supervisor asks for, with the descriptors of log and pipe, until it is gone."""
    while True:
        length, descriptors, _, _ = socket.recv_fds(control, _LENGTH, 2)
        if not length:
            return
        length += _receive(control, _LENGTH - len(length))
        told = json.loads(_receive(control, int.from_bytes(length, "little")))
        log, go = descriptors
        yield _Request(**told), log, go


def _orphan() -> int | None:
    """Fork a process that is the supervisor's child. Its id, 0 if there is none; None: this process is it."""
    read, write = os.pipe()
    between = os.fork()
    if between == 0:
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                os.setsid()
                os.write(write, os.getpid().to_bytes(_LENGTH, "little"))
                os.close(read)
                os.close(write)
                return None
        os._exit(0)
    os.close(write)
    told = os.read(read, _LENGTH)
    os.close(read)
    os.waitpid(between, 0)  # from then on the supervisor is the parent
    return int.from_bytes(told, "little")


def _forked(control: socket.socket) -> _Request:
    """Fork a child for each request. Returns in the children alone; the zygote ends with its supervisor."""
    for request, log, go in _requests(control):
        try:
            pid = _orphan()
        except OSError:  # no process, no memory
            pid = 0
        if pid is None:
            control.close()
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            if os.read(go, 1) != _GO:
                os._exit(0)
            os.close(go)
            return request
        os.close(log)
        os.close(go)
        control.sendall(pid.to_bytes(_LENGTH, "little"))
    os._exit(0)


def _become(request: _Request) -> NoReturn:
    """Run the module where, and with what, it was asked for."""
    os.chdir(request.folder)
    sys.path[0] = request.folder
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    seem(request.command)

    def run() -> None:
        try:
            runpy.run_module(request.command[2], run_name="__main__", alter_sys=True)  # which sets argv[0]
        finally:
            atexit._run_exitfuncs()

    run_to_its_end(run)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No Ctrl-C meets a process that is just forked, and still what its parent is."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _born(control: socket.socket, modules: Sequence[str]) -> NoReturn:
    """Just forked off a command: let go of what a plain start would not have."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.closerange(3, control.fileno())
    os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    for stream in (sys.stdout, sys.stderr):  # a terminal's, perhaps
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=stream is sys.stderr)
    run_to_its_end(lambda: _live(control, modules))


def _live(control: socket.socket, modules: Sequence[str]) -> None:
    """Import, and fork who is asked for. Comes back when the supervisor is gone."""
    show([sys.executable, "-m", __name__])
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # the children's collectors leave the shared pages alone
    with contextlib.suppress(OSError):
        _become(_forked(control))


def main() -> None:
    """The zygote itself, where it was started: argv = descriptor of the socket, comma-separated modules."""
    descriptor, modules = sys.argv[1:]
    _live(socket.socket(fileno=int(descriptor)), modules.split(","))


if __name__ == "__main__":
    main()
