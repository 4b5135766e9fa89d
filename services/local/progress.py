"""Live progress by stage: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.local.balance import Stage

_LINE_EVERY_S = 5.0


class Progress:
    """Shows stages as they move; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = None
        if console.is_terminal:
            self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._start = time.monotonic()
        self._printed = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, doing: str, stages: Sequence[Stage]) -> None:
        """What is being waited for, and where the documents are."""
        seconds = time.monotonic() - self._start
        if self._live:
            self._live.update(_table(f"{doing}, {seconds:.0f} s", stages))
        elif seconds - self._printed >= _LINE_EVERY_S:
            self._printed = seconds
            where = "  ".join(f"{_named(stage)} {stage.taken} (+{stage.waiting})" for stage in stages)
            self._console.print(f"{seconds:4.0f} s  {doing}: {where}", soft_wrap=True, highlight=False)


def _table(title: str, stages: Sequence[Stage]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("stage")
    for column in ("messages taken", "waiting", "CPU s"):
        table.add_column(column, justify="right")
    for stage in stages:
        table.add_row(_named(stage), str(stage.taken), str(stage.waiting), f"{stage.cpu_seconds:.1f}")
    return table


def _named(stage: Stage) -> str:
    """A stage, and how many processes share its work."""
    return stage.name if stage.processes == 1 else f"{stage.name} x{stage.processes}"
