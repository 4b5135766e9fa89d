"""The watchdog, in a process that may be bitten."""

from __future__ import annotations

import subprocess
import sys
import time

from services.runtime.process.watchdog import EXIT_HUNG, watchdog
from tests.unit.runtime.conftest import ROOT

HANG = """
import threading
from services.runtime.process.watchdog import watchdog
with watchdog(0.3, "commit_transaction"):
    threading.Event().wait()
"""


def test_a_call_that_hangs_ends_the_process_with_its_own_code() -> None:
    """Prevents a hung commit from holding partitions for ever; the place of the hang is shown."""
    done = subprocess.run(
        [sys.executable, "-c", HANG], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_HUNG
    assert "commit_transaction" in done.stdout + done.stderr
    assert 'File "<string>", line 5' in done.stderr


def test_a_call_that_returns_or_raises_is_left_alone() -> None:
    """Prevents the watchdog from biting after the fact."""
    try:
        with watchdog(0.2, "quick"):
            raise ValueError("as always")
    except ValueError:
        pass
    with watchdog(0.2, "quick"):
        pass
    time.sleep(0.5)  # this process would be gone
