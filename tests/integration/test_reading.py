"""Files that hang or crash what reads them, published over a real broker."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from contracts import Document, IngestProgress
from services.local.stack import Stack
from tests.integration.rig import Rig, rig, said

pytestmark = pytest.mark.stack

INGESTED = {"docs.ingested": {"holds": "IngestProgress", "by": "partitions", "compact": True}}


def _file(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("".join(line + "\n" for line in lines))
    return str(folder / name)


def _progress(river: Rig) -> dict[str, IngestProgress]:
    values = [IngestProgress.FromString(record.value) for record in river.records("docs.ingested")]
    return {value.source: value for value in values if value.source.startswith(str(river.folder))}


def test_a_file_that_hangs_or_crashes_costs_one_dead_letter(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: an import that a file ends, today and each time; records lost or doubled around it."""
    good = [f"line {number}" for number in range(300)]
    files = [
        _file(tmp_path, "a", *good),
        _file(tmp_path, "hangs", "before it hangs", "hang", "never"),
        _file(tmp_path, "crashes", "before it crashes", "segfault", "never"),
        _file(tmp_path, "raises", "before it raises", "raise", "never"),
        _file(tmp_path, "z", "the last"),
    ]
    settings = {"CORPUSWORKS_TIME_LIMIT_S": "1.5", "CORPUSWORKS_UNITS__LINES__FILES": json.dumps(files)}
    table = {"reading": {"run": "tests.sources:LINES", "output": "reading.out"}}
    with rig(shared_stack, tmp_path, "reading", table, INGESTED, **settings) as river:
        assert river.serve().wait(90) == 0, river.log()
        texts = sorted(document.text for document in river.documents())
        befores = ["before it crashes", "before it hangs", "before it raises"]
        assert texts == sorted([*good, *befores, "the last"])
        letters = [said(record.headers) for record in river.records("reading.out.dlq")]
        told = {letter["topic"]: letter["exception.message"] for letter in letters}
        assert len(letters) == 3
        assert "time_limit_s" in told[files[1] + "#2"]
        assert "SIGSEGV" in told[files[2] + "#2"]
        assert "ValueError: no such thing" in told[files[3] + "#2"]
        assert all(value.complete for value in _progress(river).values())
        # The same command reads nothing again, and falls into nothing again.
        assert river.serve(instance="again").wait(30) == 0
        assert len(river.documents()) == 304
        assert len(river.records("reading.out.dlq")) == 3


def test_kills_of_the_process_that_reads(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: a dead letter for an innocent file, or a record twice, because somebody killed its reader."""
    good = [f"line {number}" for number in range(30_000)]
    settings = {
        "CORPUSWORKS_UNITS__LINES__FILES": json.dumps([_file(tmp_path, "a", *good)]),
        "CORPUSWORKS_BATCH_MAX_DOCUMENTS": "200",
    }
    table = {"killed": {"run": "tests.sources:LINES", "output": "killed.out"}}
    with rig(shared_stack, tmp_path, "killed", table, INGESTED, **settings) as river:
        process, kills = river.serve(), 0
        deadline = time.monotonic() + 120
        while process.poll() is None:
            assert time.monotonic() < deadline
            published = river.log().count('"published"')
            if kills < 3 and published > 10 * (kills + 1):
                children = psutil.Process(process.pid).children()
                for child in children:
                    os.kill(child.pid, signal.SIGKILL)
                kills += bool(children)
            time.sleep(0.01)
        assert process.returncode == 0, river.log()
        assert kills == 3
        assert not river.records("killed.out.dlq")
        numbers = [Document.FromString(record.value).text for record in river.records("killed.out")]
        assert sorted(numbers) == sorted(good)
