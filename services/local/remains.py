"""What runs on a folder, written down there, for the start after a command and its guard were both killed.

The guard sees to what a command leaves; where both went (`pkill -9 python`), servers would go on for ever,
and hold what the next ones need.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from pathlib import Path

import psutil

from services.local.child import signal_group
from services.local.folder import is_alive

_PATIENCE_S = 10.0  # as the guard's
_TICK_S = 0.02


class Remains:
    """Of who holds a folder: the groups that it has started, each by its first process."""

    def __init__(self, file: Path) -> None:
        """Ends what the last holder left."""
        self._file = file
        self._begun: dict[int, float] = {}
        self._end()

    def add(self, group: int) -> None:
        """It runs from now on."""
        with contextlib.suppress(psutil.Error):  # it has ended already
            self._begun[group] = psutil.Process(group).create_time()
            self._write()

    def discard(self, group: int) -> None:
        """It has ended."""
        if self._begun.pop(group, None) is not None:
            self._write()

    def _write(self) -> None:
        """A kill leaves the former file or the new one; on a full disk the guard is all there is."""
        new = self._file.with_name(self._file.name + ".new")
        with contextlib.suppress(OSError):
            new.write_text(json.dumps([{"pid": pid, "begun": at} for pid, at in self._begun.items()]))
            new.replace(self._file)

    def _end(self) -> None:
        try:
            told = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return
        deadline = time.monotonic() + _PATIENCE_S
        while (left := [one for one in told if is_alive(one)]) and time.monotonic() < deadline:
            for one in left:
                signal_group(one["pid"], signal.SIGKILL)
            time.sleep(_TICK_S)
