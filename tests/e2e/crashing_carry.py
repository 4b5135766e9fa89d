"""`corpusworks mix` that dies in the middle of what it brings over: two transactions are through."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from services import cli
from services.cli import carry
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topics import POOL
from tests.e2e.crashing import EXIT_CRASHED

BATCH, BATCHES = 15, 2
_commit = Transactions.commit
_through = 0


def _crash(self: Transactions, outputs: Sequence[Produce], *others: Any) -> None:
    global _through  # noqa: PLW0603 - of the process
    carries = any(output.topic.startswith(POOL) for output in outputs) and self._service == "mix"
    if carries and _through == BATCHES:
        os._exit(EXIT_CRASHED)
    _commit(self, outputs, *others)
    _through += carries


if __name__ == "__main__":
    Transactions.commit = _crash  # type: ignore[assignment, method-assign]
    carry._BATCH = BATCH
    cli.main()
