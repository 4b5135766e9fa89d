"""SIGTERM and Ctrl-C: the step that is being done is finished and written down; a second one ends at once.

Kubernetes sends SIGTERM and waits 30 s by default; torchrun passes it on to each of its processes.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """A context; `came` says whether to end. Outside the main thread, where Python has no signals, never."""

    def __init__(self) -> None:
        self._came = False
        self._before: dict[int, Any] = {}

    def came(self) -> bool:
        """Whether a signal asked to end."""
        return self._came

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _NUMBERS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._came:
            os._exit(128 + number)
        self._came = True
