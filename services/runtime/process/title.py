"""The command line that `ps` shows of a process which was forked instead of started.

Linux reads it from the process's own memory, where the arguments were laid at its start: see proc(5),
/proc/[pid]/cmdline, and setproctitle in get_mm_cmdline, fs/proc/base.c.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_ARG_START, _ARG_END = 45, 46  # of /proc/[pid]/stat, counted from the state that follows the name


def room() -> int:
    """Bytes that a command line may have here; 0 where it cannot be changed."""
    start, end = _area()
    return max(0, end - start - 2)


def show(command: Sequence[str]) -> None:
    """Be shown as this command, cut where there is no room for more."""
    start, end = _area()
    if not start:
        return
    text = os.fsencode(" ".join(command))[: room()]
    # The last byte is no zero: so the kernel knows that the text is one string, and ends at its first zero.
    ctypes.memmove(start, text.ljust(end - start - 1, b"\0") + b".", end - start)


def _area() -> tuple[int, int]:
    """Where the arguments lie in memory; zeros where that is not told."""
    if sys.platform != "linux":
        return 0, 0
    try:
        told = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        return int(told[_ARG_START]), int(told[_ARG_END])
    except (OSError, ValueError, IndexError):
        return 0, 0
