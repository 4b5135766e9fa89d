"""`corpusworks` that dies between writing a part, or a file of the archive, and announcing it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from services import cli
from services.local.child import Program
from services.runtime.loops import transaction
from services.runtime.loops.transaction import Produce, Transactions

EXIT_CRASHED = 9
ANNOUNCEMENTS = {"shards.sealed", "archive.documents", "archive.drops", "archive.uses"}
_commit = Transactions.commit


def crash(program: Program) -> None:
    """Run this service of a river until it dies so."""
    crashed = subprocess.run(
        [sys.executable, "-m", "tests.e2e.crashing", "serve", program.name],
        env={**os.environ, **program.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert crashed.returncode == EXIT_CRASHED, crashed.stderr[-2000:]


def _crash(self: Transactions, outputs: Sequence[Produce], *others: Any) -> None:
    if any(output.topic in ANNOUNCEMENTS for output in outputs):
        os._exit(EXIT_CRASHED)
    _commit(self, outputs, *others)


if __name__ == "__main__":
    transaction.Transactions.commit = _crash  # type: ignore[assignment, method-assign]
    cli.main()
