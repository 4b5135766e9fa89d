"""The command line that `ps` shows of a process which was forked instead of started.

Linux reads it from the process's own memory, where the arguments were laid at its start, and goes on into
the environment behind them if it is told to: see proc(5), /proc/[pid]/cmdline, and setproctitle in
get_mm_cmdline, fs/proc/base.c.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_ARG_START, _ENV_END = 45, 49  # of /proc/[pid]/stat, counted from the state that follows the name


def show(command: Sequence[str]) -> None:
    """Be shown as this command, cut where there is no room for more."""
    start, middle, end = _area()
    if not start:
        return
    text = os.fsencode(" ".join(command))[: max(0, end - start - 2)]
    if len(text) + 1 < middle - start:
        # The last byte is no zero: so the kernel knows that it is one string, which ends at its first zero.
        ctypes.memmove(start, text.ljust(middle - start - 1, b"\0") + b".", middle - start)
        return
    _move_environment()
    text = text.ljust(middle - start)
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def _move_environment() -> None:
    """Out of where the kernel laid it, as the C library knows it; Python has its own."""
    ctypes.CDLL(None).clearenv()
    os.environ.update(dict(os.environ))


def _area() -> tuple[int, int, int]:
    """Where in memory the arguments begin, the environment behind them, and its end; zeros where that is not
    told.
    """
    if sys.platform != "linux":
        return 0, 0, 0
    try:
        told = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, middle, behind, end = map(int, told[_ARG_START:_ENV_END])
    except (OSError, ValueError, IndexError):
        return 0, 0, 0
    return start, middle, end if behind == middle else middle
