"""`corpusworks` that dies between writing a part, or a file of the archive, and announcing it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from services import cli
from services.runtime.loops import transaction
from services.runtime.loops.transaction import Produce, Transactions

EXIT_CRASHED = 9
ANNOUNCEMENTS = {"shards.sealed", "archive.documents", "archive.drops", "archive.uses"}
_commit = Transactions.commit


def _crash(self: Transactions, outputs: Sequence[Produce], *others: Any) -> None:
    if any(output.topic in ANNOUNCEMENTS for output in outputs):
        os._exit(EXIT_CRASHED)
    _commit(self, outputs, *others)


if __name__ == "__main__":
    transaction.Transactions.commit = _crash  # type: ignore[method-assign]
    cli.main()
