"""Ends what a dead parent left running: a tiny process that outlives it by a moment.

Standard input carries one line for each process group: `+ID` when it starts, `-ID` when it has ended; and
`*PATH` for what a killed process leaves behind: the files whose paths begin so.
The end of the input means that the parent is gone, however it died: every group left gets SIGKILL, and what
they left is removed.
Kafka, Redis and the services are made to survive that, and a state folder must be free at once.
Run as a plain script with `python -I -S`, so that it starts in milliseconds and imports nothing of ours.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

PATIENCE_S = 10.0  # a killed process in uninterruptible I/O may take this long to vanish


def left_of(groups: set[int]) -> set[int]:
    """The groups that still have a member."""
    alive = set()
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
            alive.add(group)
        except (ProcessLookupError, PermissionError):
            continue
    return alive


def remove(beginnings: Iterable[str | os.PathLike[str]]) -> None:
    """Remove the files whose paths begin like one of these."""
    for beginning in beginnings:
        folder, name = os.path.split(beginning)
        try:
            found = [each for each in os.listdir(folder) if each.startswith(name)]
        except OSError:  # not on every Unix
            continue
        for each in found:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, each))


def main() -> None:
    """Keep the lists until the parent is gone, then kill and remove what is on them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    left: set[str] = set()
    for line in sys.stdin:
        if line[0] == "*":
            left.add(line[1:].rstrip("\n"))
        else:
            (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    deadline = time.monotonic() + PATIENCE_S
    while (groups := left_of(groups)) and time.monotonic() < deadline:
        time.sleep(0.02)
    remove(left)


if __name__ == "__main__":
    main()
