"""The report of a folder: its numbers are the archive's, its page stands alone, its commands answer."""

from __future__ import annotations

import html
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from contracts import Flush
from services.cli.report.charts import mix
from services.cli.report.survey import Window, survey
from services.local import reports
from services.local.screen import _folded
from services.runtime import ObjectStore
from services.sink.parts import list_parts
from tests.e2e.commands import ask
from tests.unit.archive.rows import document, lane, rejection
from tests.unit.sink.packed import pack

RUN: dict[str, Any] = {
    "documents_in": 9,
    "kept": 3,
    "duplicates": 1,
    "dead_letters": 2,
    "dead_letters_by_reason": {"ingest: not JSON": 2},
    "lost_sources": [],
    "mostly_dead": {"/in/<bad>.jsonl": [2, 3]},
    "tokens": 61,
    "seconds": 1.5,
    "phases": [{"phase": "stable", "mix": {"zh": {"target": 0.25}, "en": {"target": 0.75}}}],
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three documents in parts, four that went to pools, three drops of which one is a copy, two runs."""
    store = ObjectStore(tmp_path.as_uri())
    pack(store, [[5, 40], [16]])
    uses = lane(store, "uses", seal_rows=1)
    uses.put("shards.sealed", *list_parts(store))
    uses.put("archive.uses.flush", Flush())
    uses.run()
    documents = lane(store)
    for number in range(1, 5):
        documents.put("pool.zh", document(number, bucket="zh", language="zh"))
    documents.put("archive.flush", Flush())
    documents.run()
    drops = lane(store, "drops")
    drops.put("docs.rejected", rejection(7, language="en"), rejection(8, language=""))
    drops.put("docs.rejected", rejection(9, "dedup", "exact_duplicate"))
    drops.put("archive.flush", Flush())
    drops.run()
    for number in (1, 2):
        reports.keep(tmp_path, RUN | {"documents_in": number}, ["/in"])
    return tmp_path


def test_the_numbers_are_those_of_the_archive(out: Path) -> None:
    """Prevents a report that counts another way than the questions that it sends people to ask."""
    found = survey(ObjectStore(out.as_uri()))
    assert (found.num_kept, found.tokens) == (4, 61)
    assert found.dropped(duplicates=False) == {("rules", "too_short"): 2}
    assert found.dropped(duplicates=True) == {("dedup", "exact_duplicate"): 1}
    assert sum(found.lengths.values()) == 4
    assert sum(source.kept for source in found.sources) == 4
    row = ask("report", out, "--json").rows[0]
    assert [run["documents_in"] for run in row["runs"]] == [1, 2]
    assert sum(sum(phase["tokens"].values()) for phase in row["phases"]) == 61


def test_the_page_stands_alone_and_its_commands_answer(out: Path, tmp_path: Path) -> None:
    """Prevents a page that wants a network, pictures that no browser shows, and commands that are none."""
    page = tmp_path / "page.html"
    assert ask("report", out, "--html", page).code == 0
    text = page.read_text()
    assert not re.search(r"<script|<link|<img|src=|@import|href=", text)
    assert "/in/&lt;bad&gt;.jsonl" in text
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 6
    for picture in pictures:
        ET.fromstring(picture)
    commands = [html.unescape(said) for said in re.findall(r"<code>(.*?)</code>", text)]
    assert len(commands) >= 6
    for command in commands:
        if "letters" not in command:  # there is no river here to ask for them
            assert ask(*shlex.split(command)[1:]).code == 0, command


def test_runs_are_numbered_kept_and_forgotten(out: Path) -> None:
    """Prevents the report of a run from being lost to the next one, and from outliving its folder."""
    assert reports.numbers(out) == [1, 2]
    first, last = reports.read(out, 1), reports.read(out)
    assert first is not None
    assert last is not None
    assert (first["documents_in"], last["documents_in"], last["run"]) == (1, 2, 2)
    missing = ask("report", out, "--run", "7")
    assert (missing.code, missing.err) == (
        1,
        f"corpusworks: no report of a run 7 in {out}; there are: 1, 2\n",
    )
    (out / "reports" / "mine.txt").write_text("kept")
    reports.forget(out)
    assert (reports.numbers(out), reports.read(out)) == ([], None)
    assert [path.name for path in (out / "reports").iterdir()] == ["mine.txt"]


def test_each_phase_has_its_own_target() -> None:
    """Prevents the lines of one phase from lying over the tokens of another."""
    windows = [Window("a", {"zh": 60, "en": 40})] * 300 + [Window("b", {"zh": 10, "en": 90})]
    picture = mix("mix", windows, {"a": {"zh": 0.6, "en": 0.4}, "b": {"zh": 0.1, "en": 0.9}})
    lines = [shape for shape in picture.shapes if getattr(shape, "dash", 0)]
    assert len(lines) == 2
    assert len(picture.shapes) < 300


def test_many_rows_of_one_kind_are_one() -> None:
    """Prevents what matters from scrolling off the screen, and a fold of a single row."""
    few = {"rules": {f"r{number}": number for number in range(1, 13)}}
    assert len(_folded(few)) == 12
    many = {"rules": {f"r{number}": number for number in range(1, 30)}, "parse": {"no_text": 100}}
    rows = _folded(many)
    assert len(rows) == 13
    assert rows[-1] == ("parse: no_text", 100)
    assert dict(rows)["rules: 18 more reasons"] == sum(range(1, 19))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Prevents an empty report of a name that was mistyped."""
    done = ask("report", tmp_path / "nowhere")
    assert done.code == 2
    assert "nowhere is no folder" in done.err
    assert ask("report", tmp_path).code == 2
