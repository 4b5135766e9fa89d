"""Several processes that read one list, on a real broker and Redis; four of them, under kills: tests/soak."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.local.stack import Stack
from tests.integration.rig import rig
from tests.shared_list import INGESTED, shared_list
from tests.unit.ingest.reading import jsonl

pytestmark = pytest.mark.stack

SILENCE_S = 1.5


def test_another_goes_on_where_one_fell_asleep(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: a file that two read or nobody reads where its reader is gone, a record lost or twice where
    another goes on, and a process that was asleep and still commits what is another's by then.
    """
    made = shared_list(shared_stack, tmp_path, "shared", files=2, records=200, small=10, silence_s=SILENCE_S)
    with made as shared:
        asleep = shared.river.serve("ingest", instance="asleep")
        shared.river.wait_until(lambda: shared.num_published("asleep") > 3)
        os.killpg(asleep.pid, signal.SIGSTOP)
        awake = shared.river.serve("ingest", instance="awake")
        shared.river.wait_until(lambda: shared.is_fenced("asleep"))
        os.killpg(asleep.pid, signal.SIGCONT)
        assert awake.wait(90) == 0, shared.river.log("ingest", "awake")
        assert asleep.wait(90) == 0, shared.river.log("ingest", "asleep")
        assert shared.num_published("awake") > 0
        shared.assert_each_once()


def test_documents_into_the_river_of_a_folder(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents an import that wants the addresses of servers that run beside it on the same machine."""
    jsonl(tmp_path / "more.jsonl", [{"id": f"m{number}", "text": f"text {number}"} for number in range(30)])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state").symlink_to(shared_stack.folder)
    table = {"ingest": {"run": "services.ingest:SERVICE", "output": "fed.out"}}
    with rig(shared_stack, tmp_path, "fed", table, INGESTED) as river:
        # Of the river it is told the table alone: where its servers are, the folder says.
        told = {name: river.environment[name] for name in ("CORPUSWORKS_TOPOLOGY", "PYTHONPATH")}
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "services.cli",
                "import",
                tmp_path / "more.jsonl",
                "--out",
                tmp_path / "out",
            ],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "wait in" not in done.stderr, "it runs: nothing waits for `up`"
        assert {document.id for document in river.documents()} == {f"m{number}" for number in range(30)}
