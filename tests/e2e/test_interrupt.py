"""A run that is interrupted leaves nothing behind and is finished by the same command."""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from services.local.folder import FolderLock
from tests.corpus import write_jsonl
from tests.e2e.commands import ROOT, SAMPLES, ask, environment, left_running, run, start

pytestmark = pytest.mark.stack

DONE_S = 5.0  # less than the samples take
NUMBER = 200
SMALL = {  # batches and parts so small that an interruption falls between them
    "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "25",
    "CORPUSWORKS_UNITS__SINK__SEAL_TOKENS": "10000",
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
    verified = ask("parts", "verify", out)
    nothing_yet = verified.code == 2 and "holds no parts" in verified.err
    assert verified.code == 0 or nothing_yet, verified.out + verified.err


def test_ctrl_c_and_then_the_same_command(tmp_path: Path) -> None:
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

    report = run(out, source, settings=SMALL)
    assert report["unaccounted"] == 0
    assert report["waiting"] == {}
    reconciled = ask("reconcile", "--out", out)
    assert reconciled.code == 0, reconciled.out
    assert re.search(rf"^{NUMBER} documents: .* 0 missing, 0 twice$", reconciled.err.strip()), reconciled.err
    _assert_parts_are_whole(out)
    decoded = Counter(row["id"] for row in ask("parts", "decode", out).rows)
    assert max(decoded.values()) == 1
    assert len(decoded) > NUMBER * 0.8
    assert json.loads((out / "report.json").read_text()) == report


def _wait_until_signals_are_taken(process: subprocess.Popen[str]) -> None:
    """Over are the first milliseconds, in which Ctrl-C is answered by Python and SIGTERM by the kernel."""

    def taken() -> bool:
        with contextlib.suppress(OSError):
            told = Path(f"/proc/{process.pid}/status").read_text()
            return bool(int(told.partition("SigCgt:")[2].split()[0], 16) >> signal.SIGTERM - 1 & 1)
        return False

    if Path("/proc/self/status").exists():
        _wait_until(taken, process)


def _assert_ends_quietly(out: Path, number: signal.Signals, after_s: float) -> None:
    process = start("run", SAMPLES / "documents", "--out", out)
    _wait_until_signals_are_taken(process)
    time.sleep(after_s)
    process.send_signal(number)
    said, told = process.communicate(timeout=60)
    if process.returncode == 0 and after_s > DONE_S and "report:" in said:
        return  # the signal came when all was done
    assert process.returncode == 130, (number, after_s, said, told)
    assert told.splitlines()[-1] == "corpusworks: interrupted; the same command goes on from here"
    assert not re.search("Traceback|KeyboardInterrupt|Interrupted|Exception ignored", said + told), told
    logs = (out / "state" / "logs").glob("*.log")
    assert not any("Traceback" in log.read_text() for log in logs)
    if (out / "state").exists():
        _assert_nothing_is_left(out)


def test_a_signal_in_the_first_seconds(tmp_path: Path) -> None:
    """Prevents: a traceback out of an import, and a process that was just being started and stays."""
    random_ = random.Random(12)
    for bounds in ((0, 0), (0, 0.3), (0.3, 1.5), (1.5, 4)):
        _assert_ends_quietly(
            tmp_path / "out", random_.choice((signal.SIGINT, signal.SIGTERM)), random_.uniform(*bounds)
        )


@pytest.mark.soak
def test_a_signal_at_any_moment(tmp_path: Path) -> None:
    """Prevents: the one moment in a hundred."""
    random_ = random.Random(13)
    for _ in range(100):
        longest = random_.choice((0.5, 3.0, 12.0))
        number = random_.choice((signal.SIGINT, signal.SIGTERM))
        _assert_ends_quietly(tmp_path / "out", number, random_.uniform(0, longest))
    assert run(tmp_path / "out", SAMPLES / "documents")["unaccounted"] == 0


@pytest.mark.parametrize("module", ["services.cli serve rules", "services.local.packages.install --lock"])
def test_a_signal_to_a_single_process(module: str) -> None:
    """Prevents: set-up, or a service in a terminal, that answers Ctrl-C with a traceback."""
    settings = {
        "CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "CORPUSWORKS_MAVEN_REPOSITORY": "http://127.0.0.1:1",
    }
    for after_s in (0.0, 0.2):
        process = subprocess.Popen(
            [sys.executable, "-m", *module.split()],
            env=environment(settings),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        _wait_until_signals_are_taken(process)
        time.sleep(after_s)
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=60)
        assert process.returncode == 130, told
        assert not re.search("Traceback|KeyboardInterrupt|Exception ignored", said + told), told


@pytest.mark.soak
def test_records_that_are_there_twice_and_interruptions(tmp_path: Path) -> None:
    """Prevents: `-525 documents unaccounted for` and exit code 1, where nothing is wrong."""
    out, source = tmp_path / "out", write_jsonl(tmp_path / "made.jsonl", 300, seed=12, duplicates=0)
    source.write_bytes(source.read_bytes() * 2)
    for number in (1, 2):
        process = start("run", source, "--out", out, settings=SMALL)
        before = _batches(out, "tokenizer")
        _wait_until(lambda: _batches(out, "tokenizer") >= before + number, process)  # noqa: B023
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130, told
    report = run(out, source, settings=SMALL)
    assert report["unaccounted"] == 0
    assert report["carried_over"] > 0
    assert report["duplicates_by_reason"]["already_seen"] > 0
    decoded = Counter(row["id"] for row in ask("parts", "decode", out).rows)
    assert max(decoded.values()) == 1
    reconciled = ask("reconcile", "--out", out)
    assert reconciled.code == 0, reconciled.out
    again = run(out, source, settings=SMALL)  # nothing new: the report of a run is of that run
    assert (again["documents_in"], again["carried_over"], again["unaccounted"]) == (0, 0, 0)
