"""A watchdog round calls that may block for ever.

kafka-python's commit and abort wait without a timeout. A process that hangs in one holds its
partitions while the group believes it alive, so past the limit it ends itself and is started anew:
the transaction is then aborted by the next owner of its transactional id.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.logs import log

EXIT_HUNG = 75  # EX_TEMPFAIL: start me again


@contextmanager
def watchdog(seconds: float, what: str) -> Iterator[None]:
    """End the process with EXIT_HUNG if the block takes longer than `seconds`."""

    def bite() -> None:
        log.error("hung", call=what, seconds=seconds)
        faulthandler.dump_traceback()
        os._exit(EXIT_HUNG)

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
