"""The state folder: made, checked, and locked so that two stacks never share one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from services.local.private import make_private
from services.runtime import ConfigurationError

LOCK = "stack.lock"
MIN_FREE_BYTES = 256 << 20  # Kafka and Redis stop for good when the disk is full
# A run that was killed holds its lock until its servers are gone, a moment later.
PATIENCE_S = 15.0


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


class FolderLock:
    """An exclusive lock on a state folder, held while this object is open or a child of its run lives."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError naming the process that has the folder."""
        prepare(folder)
        make_private(folder)
        self.path = folder / LOCK
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + PATIENCE_S
        while not _lock(self.fd):
            owner = _read(self.fd).get("pid")
            if _alive(owner) or time.monotonic() > deadline:
                os.close(self.fd)
                raise ConfigurationError(
                    f"{folder} is in use by process {owner or 'unknown'}. Wait for it, stop it, "
                    "or choose another folder."
                )
            time.sleep(0.1)
        self.publish({})

    def publish(self, environment: Mapping[str, str]) -> None:
        """Leave word for other commands on this folder: who runs, and how its servers are reached."""
        content = json.dumps({"pid": os.getpid(), "environment": dict(environment)}).encode()
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, content, 0)

    def release(self) -> None:
        """Give the folder free, even if a guard still has the descriptor."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, 0)
            fcntl.flock(self.fd, fcntl.LOCK_UN)
            os.close(self.fd)


def running(folder: Path) -> dict[str, str] | None:
    """The environment of the stack that runs on a folder (`up` in another terminal), or None."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        environment = _read(fd).get("environment")
        if not isinstance(environment, dict) or not environment or _lock(fd, fcntl.LOCK_SH):
            return None
        return {str(key): str(value) for key, value in environment.items()}
    finally:
        os.close(fd)


def _lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: object) -> bool:
    try:
        return isinstance(pid, int) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _read(fd: int) -> dict[str, object]:
    try:
        found = json.loads(os.pread(fd, 1 << 16, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
