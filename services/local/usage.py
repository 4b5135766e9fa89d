"""What running processes use: CPU time, and memory as the kernel counts it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")


@dataclass(frozen=True)
class Used:
    """cpu_seconds: user and system time. peak_bytes: the most that each process had resident at any time,
    added up. What several have in common, a zygote's imports, counts for each of them.
    """

    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def __add__(self, other: Used) -> Used:
        """Of both together."""
        return Used(self.cpu_seconds + other.cpu_seconds, self.peak_bytes + other.peak_bytes)


def members(groups: Iterable[int]) -> dict[int, list[int]]:
    """The processes of each group. A child leads its group, and its workers are in it."""
    found: dict[int, list[int]] = {group: [] for group in groups}
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if (group := os.getpgid(pid)) in found:
                found[group].append(pid)
    return found


def used(pids: Iterable[int]) -> Used:
    """By these processes, and the CPU time of children that they have waited for."""
    found = Used()
    for pid in pids:
        with contextlib.suppress(psutil.Error, OSError):
            times = psutil.Process(pid).cpu_times()
            spent = times.user + times.system + times.children_user + times.children_system
            found += Used(spent, _peak_of(pid))
    return found


def together(pids: Iterable[int]) -> int:
    """Bytes of memory that these processes hold now, what they share counted once; 0 where nobody tells.

    A walk through all their pages: some milliseconds for each of them.
    """
    return 1024 * sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in pids)


def by_stage(used_by: Mapping[str, Used]) -> dict[str, Used]:
    """Of each stage, out of that of each process: further ones are named after the first (parse-2)."""
    found: dict[str, Used] = {}
    for name, used in used_by.items():
        first, dash, number = name.rpartition("-")
        stage = first if dash and number.isdecimal() else name
        found[stage] = found.get(stage, Used()) + used
    return found


def _peak_of(pid: int) -> int:
    """Where the system keeps no mark of the highest, that of now."""
    if _PROC.is_dir():
        return 1024 * _kilobytes(pid, "status", "VmHWM:")
    return int(psutil.Process(pid).memory_info().rss)


def _kilobytes(pid: int, file: str, label: str) -> int:
    with contextlib.suppress(OSError):  # it has ended
        for line in (_PROC / str(pid) / file).read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1])
    return 0
