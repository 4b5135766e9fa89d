"""Live progress by stage: a table on a terminal, plain lines elsewhere; never silent for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.local.balance import Stage

LINE_EVERY_S = 4.0


class Progress:
    """Shows what is done, and the stages as they move; a context manager.

    What takes long by itself is seen to go on: a line comes, or the table's seconds move, whether anything
    new is shown or not. Until stages are shown there are lines on a terminal too: the table hides the cursor,
    which a process that holds nothing yet, and ends at once when it is told to, could not give back.

    ending: to be set to who names the processes that were told to stop and still run.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._doing, self._stages = "starting", tuple[Stage, ...]()
        self.ending: Callable[[], Sequence[str]] = list
        self._start = time.monotonic()
        self._over = threading.Event()
        self._lines = threading.Thread(target=self._print_lines, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._lines.join()
        if self._live:
            self._live.stop()

    def show(self, doing: str, stages: Sequence[Stage] = ()) -> None:
        """What is being waited for, and where the documents are; without stages, these are as they were."""
        self._doing, self._stages = doing, tuple(stages) or self._stages
        if self._live is None and self._stages and self._console.is_terminal:
            self._live = Live(
                console=self._console, refresh_per_second=4, transient=True, get_renderable=self._table
            )
            self._live.start()

    def clear(self) -> None:
        """Take the table away: what stays on the screen comes now."""
        if self._live:
            self._live.stop()
            self._live, self._stages = None, ()

    def say(self, line: str) -> None:
        """A line that stays, at once."""
        self._console.print(line, soft_wrap=True)

    @contextmanager
    def cut_short(self) -> Iterator[None]:
        """Round what others have to end: who breaks it off sees at once that it is heard."""
        try:
            yield
        except BaseException as error:
            self.show("stopping")
            if not isinstance(error, Exception):
                self.say("Stopping: what runs ends what it has begun.")
            raise

    @property
    def _said(self) -> str:
        ending = self.ending()
        return f"{self._doing}; waits for the end of {', '.join(ending)}" if ending else self._doing

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._start

    def _print_lines(self) -> None:
        while not self._over.wait(LINE_EVERY_S):
            if self._live is None:
                where = "  ".join(f"{_named(each)} {each.taken} (+{each.waiting})" for each in self._stages)
                line = f"{self._seconds:4.0f} s  {self._said}" + (f": {where}" if where else "")
                self._console.print(line, soft_wrap=True, highlight=False)

    def _table(self) -> Table:
        table = Table(title=f"{self._said}, {self._seconds:.0f} s", title_justify="left")
        table.add_column("stage")
        for column in ("messages taken", "waiting", "CPU s", "MB at most"):
            table.add_column(column, justify="right")
        for stage in self._stages:
            megabytes = f"{stage.peak_bytes / 1e6:.0f}"
            taken, waiting = str(stage.taken), str(stage.waiting)
            table.add_row(_named(stage), taken, waiting, f"{stage.cpu_seconds:.1f}", megabytes)
        return table


def _named(stage: Stage) -> str:
    """A stage, and how many processes share its work."""
    return stage.name if stage.processes == 1 else f"{stage.name} x{stage.processes}"
