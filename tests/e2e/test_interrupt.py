"""A run that is interrupted leaves nothing behind and is finished by the same command."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from services.local.folder import FolderLock
from tests.corpus import write_jsonl
from tests.e2e.commands import SAMPLES, corpusworks, left_running, run, start

pytestmark = pytest.mark.stack

NUMBER = 700
SMALL = {  # batches and parts so small that an interruption falls between them
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "50",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "20000",
}


def _wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def _batches(out: Path, service: str) -> int:
    log = out / "state" / "logs" / f"{service}.log"
    return log.read_text().count('"batch"') if log.exists() else 0


def _assert_nothing_is_left(out: Path) -> None:
    deadline = time.monotonic() + 15  # a guard may need a moment
    while (left := left_running(out)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    FolderLock(out / "state").release()  # raises when somebody holds it


def _assert_parts_are_whole(out: Path) -> None:
    verified = corpusworks("parts", "verify", out)
    nothing_yet = verified.code == 2 and "holds no parts" in verified.err
    assert verified.code == 0 or nothing_yet, verified.out + verified.err


def test_ctrl_c_and_kill_and_then_the_same_command(tmp_path: Path) -> None:
    """Prevents: servers left running, a half-written part, documents lost or read twice between two runs."""
    out, source = tmp_path / "out", write_jsonl(tmp_path / "made.jsonl", NUMBER, seed=11)

    first = start("run", source, "--out", out, settings=SMALL)
    _wait_until(lambda: _batches(out, "tokenizer") >= 2, first)
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=60)
    assert first.returncode == 130, told
    assert told.strip().splitlines()[-1] == "corpusworks: interrupted; the same command goes on from here"
    assert "Traceback" not in told
    _assert_nothing_is_left(out)
    _assert_parts_are_whole(out)
    assert not (out / "report.json").exists()

    second = start("run", source, "--out", out, settings=SMALL)
    before = _batches(out, "tokenizer")
    _wait_until(lambda: _batches(out, "tokenizer") >= before + 2, second)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    _assert_nothing_is_left(out)
    _assert_parts_are_whole(out)

    report = run(out, source, settings=SMALL)
    assert report["unaccounted"] == 0
    assert report["waiting"] == {}
    reconciled = corpusworks("reconcile", "--out", out)
    assert reconciled.code == 0, reconciled.out
    assert re.search(rf"^{NUMBER} documents: .* 0 missing, 0 twice$", reconciled.err.strip()), reconciled.err
    _assert_parts_are_whole(out)
    decoded = Counter(row["id"] for row in corpusworks("parts", "decode", out).rows)
    assert max(decoded.values()) == 1
    assert len(decoded) > NUMBER * 0.8
    assert json.loads((out / "report.json").read_text()) == report


@pytest.mark.parametrize("after_s", [0.0, 0.4, 1.2, 2.5, 4.0])
def test_ctrl_c_while_everything_starts(tmp_path: Path, after_s: float) -> None:
    """Prevents: a process that was being started when the signal came, and of which nobody knows."""
    out = tmp_path / "out"
    process = start("run", SAMPLES, "--out", out)
    _wait_until((out / "state" / "stack.lock").exists, process)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    _assert_nothing_is_left(out)
