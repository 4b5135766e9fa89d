"""`corpusworks`: the one command. Exit codes: 0 done, 1 something is wrong with the documents or the parts,
2 something is wrong with the settings, 3 a process could not be kept running, 130 interrupted.

A file for each group of commands. Nothing is imported here before signals are taken, so that Ctrl-C ends the
command quietly at any moment.
"""

from __future__ import annotations

import signal
from types import FrameType


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM: everything that was started is stopped on the way out."""


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave things behind
    raise Interrupted


def main() -> None:
    """Entry of the console script."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)  # a service installs its own
    from services.cli.exits import errors

    with errors():
        from services.cli.app import app

        app()
