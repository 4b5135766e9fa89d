"""Retention on a real river: what is done with goes, and whatever reads from a beginning still can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime.topology import DEFAULT
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
AT_ONCE = json.dumps({f"docs.{name}": "0s" for name in DOCS} | {"archive.flush": "0s"})


def settings(folder: Path) -> dict[str, str]:
    """Of a river without judges, which are no matter here."""
    table = yaml.safe_load(DEFAULT.read_text())
    for name in ("classifier", "scorer"):
        table["services"][name]["enabled"] = False
    (folder / "topology.yaml").write_text(yaml.safe_dump(table))
    return {
        "CORPUSWORKS_TOPOLOGY": str(folder / "topology.yaml"),
        "CORPUSWORKS_MAX_MESSAGE_BYTES": "10000",  # so that fields go to the store, too
    }


def plan_is_about_right(out: Path, given: Path, report: dict[str, Any], made: dict[str, str]) -> None:
    """What `plan` says of documents like these, against what these take: within a factor of two."""
    texts = [json.loads(line)["text"] for line in given.read_text().splitlines()]
    about = {
        "--documents": "1e6",
        "--bytes": str(sum(len(text.encode()) for text in texts) / len(texts)),
        "--tokens-per-document": str(report["tokens"] / report["kept"]),
        "--kept": str(report["kept"] / report["documents_in"]),
    }
    options = [word for option in about.items() for word in option]
    said = json.loads(ask("plan", *options, "--json", settings=made).out)["things"]
    real = json.loads(ask("plan", *options, "--from", out, "--json", settings=made).out)["things"]
    compared = 0
    for one, other in zip(said, real, strict=True):
        assert one["name"] == other["name"]
        if one["name"].startswith("Redis") or other["a_document"] < 100:
            continue  # an index so small is mostly its tables; what grows by parts or lanes says nothing here
        compared += 1
        assert other["source"] == "measured here"
        assert 0.5 < one["a_document"] / other["a_document"] < 2, (one, other)
    assert compared >= 8


@pytest.mark.soak
def test_a_river_goes_on_whose_logs_begin_later(tmp_path: Path) -> None:
    """Prevents a service that finds its offset lost, and an archive that lacks what was deleted."""
    out = tmp_path / "out"
    first = write_jsonl(tmp_path / "first.jsonl", 900, seed=5, duplicates=0.2)
    more = write_jsonl(tmp_path / "more.jsonl", 60, seed=6, duplicates=0)
    with more.open("a") as file:
        file.write(json.dumps({"id": "large", "text": "水潮が " * 9_000}) + "\n")
    made = settings(tmp_path)
    at_once = made | {"CORPUSWORKS_KEEP": AT_ONCE}
    report = run(out, first, settings=at_once)
    before = ask("audit", "count", out, "--table", "documents").out
    plan_is_about_right(out, first, report, made)
    rows = {row["topic"]: row for row in ask("retention", "show", "--out", out, "--json", settings=made).rows}
    assert rows["docs.raw"]["deletable"] == 0, "a week is not over"
    assert rows["docs.raw"]["offsets"] > 120
    done = corpusworks("retention", "apply", "--out", out, "--json", settings=at_once)
    assert done.code == 0, done.err
    for row in done.rows:
        if row["topic"].startswith("docs."):
            assert row["deleted"] > 0 or row["offsets"] == 0, row
    assert ask("offsets", "list", "--out", out, settings=made).code == 0
    assert ask("parts", "verify", out).code == 0
    again = run(out, first, more, settings=at_once)
    assert again["unaccounted"] == 0
    assert again["kept"] > 40
    assert ask("reconcile", "--out", out, settings=made).code == 0
    assert ask("audit", "count", out, "--table", "documents").out != before
    decoded = ask("parts", "decode", out).rows
    assert len(decoded) == report["kept"] + again["kept"]
    rows = {row["topic"]: row for row in ask("retention", "show", "--out", out, "--json", settings=made).rows}
    assert rows["docs.raw"]["offsets"] == 0, "the second run has deleted its own, too"


def test_a_wrong_time_ends_with_one_line() -> None:
    """Prevents a typing error in the setting from showing as a stack trace in the middle of a river."""
    wrong = {"CORPUSWORKS_KEEP": '{"docs.rwa": "7d"}', "CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = ask("retention", "show", settings=wrong)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "docs.rwa is no topic" in done.err
