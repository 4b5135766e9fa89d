"""What `import` shows on a terminal."""

from __future__ import annotations

import io
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from services.cli.importing import Bar
from services.ingest import IngestConfig
from services.runtime import load_settings
from services.runtime.loops.source import Came
from tests.e2e.commands import ask
from tests.servers import free_port
from tests.unit.ingest.reading import jsonl


def test_the_bar_says_how_far_and_how_fast(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("text")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140)
    with Bar(IngestConfig(paths=(str(tmp_path),)), console) as bar:
        deadline = time.monotonic() + 20
        while "2 of 3 files" not in screen.getvalue():
            assert time.monotonic() < deadline
            bar(Came(2, 40, 5_000_000, 1))
            time.sleep(0.05)
    shown = screen.getvalue()
    assert "40 documents" in shown
    assert "MB/s" in shown
    assert "1 dead letters" in shown


def test_a_list_that_cannot_be_counted_is_read_all_the_same(tmp_path: Path) -> None:
    """Prevents a bar that ends the import for what the reader will say better."""
    with Bar(IngestConfig(paths=("s3://b",), patience_s=0.1), Console(file=io.StringIO())) as bar:
        bar(Came(1, 1, 1, 0))


@pytest.mark.parametrize(
    ("path", "out", "says"),
    [("more.jsonl", "nothing", "holds no river"), ("less.jsonl", "out", "did you mean {here}/more.jsonl?")],
)
def test_documents_into_nowhere(tmp_path: Path, path: str, out: str, says: str) -> None:
    """Prevents servers that are started, and a folder that is made, for a name that is wrong."""
    jsonl(tmp_path / "more.jsonl", [{"id": "m", "text": "text"}])
    done = ask("import", tmp_path / path, "--out", tmp_path / out)
    assert done.code == 2
    assert says.format(here=tmp_path) in done.err
    assert not (tmp_path / out).exists()


def test_no_broker_ends_it_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a first try that waits for ever for the address that is the default."""
    monkeypatch.setattr("services.cli.serve._PATIENCE_S", 0)
    jsonl(tmp_path / "more.jsonl", [{"id": "m", "text": "text"}])
    nowhere = {"CORPUSWORKS_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    done = ask("import", tmp_path / "more.jsonl", settings=nowhere)
    assert done.code == 3
    assert done.err.startswith("corpusworks: Kafka at 127.0.0.1:")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("runs", [True, False])
def test_what_nobody_reads_on_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: bool) -> None:
    """Prevents a person who waits for parts of a river that stands still."""
    found = {"CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS": "a:1"} if runs else None
    monkeypatch.setattr("services.local.folder.running", lambda folder: found)
    monkeypatch.setattr("services.local.run.attached", lambda out: nullcontext(load_settings()))
    monkeypatch.setattr("services.cli.serve._import", lambda *_, **__: True)
    jsonl(tmp_path / "more.jsonl", [{"id": "m", "text": "text"}])
    done = ask("import", tmp_path / "more.jsonl", "--out", tmp_path)
    assert done.code == 0, done.err
    assert (f"wait in {tmp_path}: `corpusworks up --out {tmp_path}`" in done.err) == (not runs)
