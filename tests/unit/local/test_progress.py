"""What a person sees of a run while it goes on."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from services.local import progress
from services.local.balance import Stage
from services.local.progress import Progress

STAGES = [Stage("ingest", 7, 0, 1.0), Stage("parse", 4, 3, 2.0, processes=2, peak_bytes=150_000_000)]


def until_said(out: io.StringIO, words: str, number: int) -> str:
    deadline = time.monotonic() + 30
    while out.getvalue().count(words) < number:
        assert time.monotonic() < deadline, out.getvalue()
        time.sleep(0.01)
    return out.getvalue()


def test_a_line_comes_while_nothing_new_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a screen that says nothing while servers start, or a long account is taken."""
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.02)
    out = io.StringIO()
    with Progress(Console(file=out)) as shown:
        until_said(out, "starting\n", 2)
        shown.show("reading", STAGES)
        said = until_said(out, "reading", 2)
        assert re.search(r"^ +\d+ s  reading: ingest 7 \(\+0\)  parse x2 4 \(\+3\)$", said, re.MULTILINE)
        shown.show("counting")
        until_said(out, "counting: ingest 7", 2)
    before = out.getvalue()
    time.sleep(0.1)
    assert out.getvalue() == before, "it goes on after its end"


def test_a_terminal_gets_a_table_once_there_are_stages() -> None:
    """Prevents a hidden cursor after Ctrl-C in the first seconds, and a table that stands still."""
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=100)) as shown:
        shown.show("bringing over")
        assert "\x1b[?25l" not in out.getvalue()
        shown.show("reading", STAGES)
        said = until_said(out, "reading", 2)
    assert "parse x2" in said
    assert "150" in said
    assert "\x1b[?25h" in out.getvalue(), "the cursor stays hidden"


def test_who_breaks_it_off_is_told_what_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prevents twenty seconds without a word after Ctrl-C, while a process ends what it has begun."""
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.02)
    out = io.StringIO()
    with Progress(Console(file=out)) as shown:
        shown.ending = lambda: ["mixer", "kafka"]
        with pytest.raises(KeyboardInterrupt), shown.cut_short():
            raise KeyboardInterrupt
        assert "Stopping: what runs ends" in out.getvalue()
        until_said(out, "s  stopping; waits for the end of mixer, kafka\n", 2)
