"""What `import` shows on a terminal: how much of the list is read, and how fast."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from services.runtime import CorpusworksError
from services.runtime.loops.source import Came

if TYPE_CHECKING:
    from rich.console import Console

    from services.ingest import IngestConfig


class Bar:
    """A bar over the files, counted beside the reading; a context manager that is called with what came."""

    def __init__(self, config: IngestConfig, console: Console) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._config = config
        self._began = time.monotonic()
        text = TextColumn("{task.description}", markup=False)
        columns = SpinnerColumn(), BarColumn(20), text, TimeElapsedColumn()
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("counting files", total=None)
        self._total: int | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        threading.Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, came: Came) -> None:
        """Show it."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        total = f" of {self._total:,}" if self._total is not None else ""
        said = (
            f"{came.files:,}{total} files  {came.documents:,} documents  {came.documents / seconds:,.0f}/s  "
            f"{came.num_bytes / seconds / 1e6:,.1f} MB/s"
        )
        if came.unreadable:
            said += f"  {came.unreadable:,} dead letters"
        self._progress.update(
            self._task, completed=min(came.files, self._total or 0), total=self._total, description=said
        )

    def _count(self) -> None:
        from services.ingest.walk import find

        try:
            self._total = sum(1 for _ in find(self._config))
        except (CorpusworksError, OSError):
            return  # who reads will say so
