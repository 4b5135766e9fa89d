"""The state folder: made, checked, and locked so that two stacks never share one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from services.local import interrupt
from services.local.private import make_private
from services.runtime import ConfigurationError

LOCK = "stack.lock"
MIN_FREE_BYTES = 256 << 20  # Kafka and Redis stop for good when the disk is full
_LAST_FREE_BYTES = 32 << 20  # with which they still come to an end
# A run that was killed holds its lock until its servers are gone, a moment later.
PATIENCE_S = 15.0
# A process that was killed a moment ago may not have noticed yet.
DOUBT_S = 0.5
_PF_EXITING = 0x4  # linux/sched.h


def prepare(folder: Path) -> None:
    """Make the folder and try to write there. Raises ConfigurationError: unwritable, or the disk is full."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigurationError(
            f"the folder {folder} cannot be written: {error.strerror or error}. Choose another one."
        ) from error
    if free < MIN_FREE_BYTES:
        raise ConfigurationError(
            f"the disk of {folder} has {free >> 20} MB left and at least {MIN_FREE_BYTES >> 20} MB are "
            "needed. Free some space or choose a folder on another disk."
        )


def require_room(folder: Path) -> None:
    """While a river runs: raises ConfigurationError where its servers could not write much longer."""
    free = shutil.disk_usage(folder).free
    if free < _LAST_FREE_BYTES:
        raise ConfigurationError(
            f"the disk of {folder} is full, {free >> 20} MB are left. Free some space: then the same command "
            "goes on from here, and nothing is lost."
        )


class FolderLock:
    """An exclusive lock on a state folder, held while this object is open or a child of its run lives."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError naming the process that has the folder."""
        interrupt.hold()
        prepare(folder)
        make_private(folder)
        self.path = folder / LOCK
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        _take(self.fd, folder, fcntl.LOCK_EX)
        self.publish({})

    def publish(self, environment: Mapping[str, str]) -> None:
        """Leave word for other commands on this folder: who runs, and how its servers are reached."""
        owner = {"pid": os.getpid(), "begun": psutil.Process().create_time()}
        content = json.dumps({**owner, "environment": dict(environment)}).encode()
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, content, 0)

    def release(self) -> None:
        """Give the folder free, even if a guard still has the descriptor."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, 0)
            fcntl.flock(self.fd, fcntl.LOCK_UN)
            os.close(self.fd)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Nothing starts on a state folder meanwhile; others may read it as well, and it may be read-only.

    Raises ConfigurationError naming the process that has the folder.
    """
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:  # nobody ever began there, or this user may not look: who may not write starts nothing
        yield
        return
    _take(fd, folder, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(fd)


def running(folder: Path) -> dict[str, str] | None:
    """The environment of the stack that runs on a folder (`up` in another terminal), or None."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        owner = _read(fd)
        environment = owner.get("environment")
        if not isinstance(environment, dict) or not environment or _lock(fd, fcntl.LOCK_SH):
            return None
        if not is_alive(owner):  # it was killed, and its servers, which have the lock as well, end
            return None
        return {str(key): str(value) for key, value in environment.items()}
    finally:
        os.close(fd)


def _take(fd: int, folder: Path, kind: int) -> None:
    """Wait for it as long as its owner may be about to end; else close it and raise ConfigurationError."""
    begun = doubtful = time.monotonic()
    while not _lock(fd, kind):
        now, owner = time.monotonic(), _read(fd)
        alive = is_alive(owner)
        if not alive:
            doubtful = now
        if now - doubtful > DOUBT_S or now - begun > PATIENCE_S:
            os.close(fd)
            who = f"process {owner['pid']}" if alive else "a command that reads it, or what a killed one left"
            raise ConfigurationError(
                f"{folder} is in use by {who}. Wait for it, stop it, or choose another folder."
            )
        time.sleep(0.05)


def _lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(owner: Mapping[str, object]) -> bool:
    """The process that was written down, and not a later one of its number, lives and will go on to.

    owner: its id, `pid`, and its time of creation as psutil has it, `begun`.
    """
    try:
        process = psutil.Process(int(str(owner["pid"])))
        if (
            process.status() == psutil.STATUS_ZOMBIE
            or abs(process.create_time() - float(str(owner["begun"]))) > 1
        ):
            return False
    except (psutil.Error, KeyError, ValueError):
        return False
    return not _dying(process.pid)


def _dying(pid: int) -> bool:
    """SIGKILL is on its way to it, or it ends already: its memory is given back before its locks are."""
    try:
        told = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        pending = int(told["SigPnd"], 16) | int(told["ShdPnd"], 16)
        flags = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
    except (OSError, ValueError, LookupError):  # no Linux, or it is gone: the next look tells
        return False
    return bool(pending & 1 << signal.SIGKILL - 1 or flags & _PF_EXITING)


def _read(fd: int) -> dict[str, object]:
    try:
        found = json.loads(os.pread(fd, 1 << 16, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
