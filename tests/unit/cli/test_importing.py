"""What `import` shows on a terminal."""

from __future__ import annotations

import io
import time
from pathlib import Path

from rich.console import Console

from services.cli.importing import Bar
from services.ingest import IngestConfig
from services.runtime.loops.source import Came


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
