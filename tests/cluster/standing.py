"""Stands for a lease, and says when it leads: `standing IDENTITY FILE`; SIGTERM gives it up."""

from __future__ import annotations

import signal
import sys
import time

from services.launcher.cluster import connect
from services.launcher.lease import Lease

NAME, LEASE_S = "election", 5


def main(identity: str, path: str) -> None:
    """Writes a line (identity, time) a moment for as long as it may write."""
    connect()
    lease = Lease(NAME, "default", identity, LEASE_S)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    lease.stand()
    with open(path, "a", buffering=1) as file:
        while not stopping:
            if lease.leads():
                lease.check()
                file.write(f"{identity} {time.monotonic():.3f}\n")
            time.sleep(0.05)
    lease.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
