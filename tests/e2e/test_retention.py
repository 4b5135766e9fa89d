"""Retention on a real river: what is done with goes, and whatever reads from a beginning still can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.corpus import write_jsonl
from tests.e2e.commands import ask, corpusworks, run

pytestmark = pytest.mark.timeout(400)

DOCS = (
    "raw",
    "parsed",
    "clean",
    "classified",
    "scored",
    "tokenized",
    "routed",
    "unique",
    "mixed",
    "rejected",
)
AT_ONCE = {
    "CORPUSWORKS_KEEP": json.dumps({f"docs.{name}": "0s" for name in DOCS} | {"archive.flush": "0s"}),
    "CORPUSWORKS_MAX_MESSAGE_BYTES": "10000",  # so that fields go to the store, too
}


def test_a_river_goes_on_whose_logs_begin_later(tmp_path: Path) -> None:
    """Prevents a service that finds its offset lost, and an archive that lacks what was deleted."""
    out = tmp_path / "out"
    first = write_jsonl(tmp_path / "first.jsonl", 120, seed=5, duplicates=0.2)
    with first.open("a") as file:
        file.write(json.dumps({"id": "large", "text": "水潮が " * 9_000}) + "\n")
    report = run(out, first, settings=AT_ONCE)
    before = ask("audit", "count", out, "--table", "documents").out
    rows = {row["topic"]: row for row in ask("retention", "show", "--out", out, "--json").rows}
    assert rows["docs.raw"]["deletable"] == 0, "a week is not over"
    assert rows["docs.raw"]["offsets"] > 120
    done = corpusworks("retention", "apply", "--out", out, "--json", settings=AT_ONCE)
    assert done.code == 0, done.err
    for row in done.rows:
        if row["topic"].startswith("docs."):
            assert row["deleted"] > 0 or row["offsets"] == 0, row
    assert ask("offsets", "list", "--out", out).code == 0
    assert ask("parts", "verify", out).code == 0
    again = run(out, first, write_jsonl(tmp_path / "more.jsonl", 60, seed=6, duplicates=0), settings=AT_ONCE)
    assert again["unaccounted"] == 0
    assert again["kept"] > 40
    assert ask("reconcile", "--out", out).code == 0
    assert ask("audit", "count", out, "--table", "documents").out != before
    decoded = ask("parts", "decode", out).rows
    assert len(decoded) == report["kept"] + again["kept"]
    rows = {row["topic"]: row for row in ask("retention", "show", "--out", out, "--json").rows}
    assert rows["docs.raw"]["offsets"] == 0, "the second run has deleted its own, too"


def test_a_wrong_time_ends_with_one_line(tmp_path: Path) -> None:
    """Prevents a typing error in the setting from showing as a stack trace in the middle of a river."""
    run(tmp_path / "out", write_jsonl(tmp_path / "few.jsonl", 5, seed=1))
    wrong = {"CORPUSWORKS_KEEP": '{"docs.rwa": "7d"}'}
    done = corpusworks("retention", "show", "--out", tmp_path / "out", settings=wrong)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "docs.rwa is no topic" in done.err
