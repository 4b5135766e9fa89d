"""Holds the processes of a river until it is begun.

They are started while its topics are made: by then they have imported, forked and connected. The gate is a
file that who makes the river has locked; the kernel opens it where he dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

_GATE = "_CORPUSWORKS_GATE"  # in the environment; nobody's setting


class Gate:
    """Shut until `open`. file: made where it is not there."""

    def __init__(self, file: Path) -> None:
        """Raises OSError."""
        self._file = file.absolute()
        self._descriptor: int | None = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes that are to wait."""
        return {_GATE: str(self._file)}

    def open(self) -> None:
        """Let all go on, and whoever comes later."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def pass_gate() -> None:
    """Return when this process may look at the river; at once where it was told of no gate."""
    if (file := os.environ.get(_GATE)) is None:
        return
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
