"""The page of twenty questions: each command answers on a folder at rest, and no server is started."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from contracts import Flush
from services.local.letters import LETTERS
from services.local.stack import Stack
from services.runtime import ObjectStore
from services.sink.parts import list_parts
from tests.e2e.commands import ROOT, ask
from tests.unit.archive.rows import document, lane, rejection
from tests.unit.sink.packed import pack

PAGE = (ROOT / "docs" / "questions.md").read_text()
QUESTIONS = re.findall(r"^\| (\d+) \|[^|]*\| `corpusworks ([^`]*)` \|", PAGE, re.MULTILINE)
TEXTS = '{"id": "a", "text": "ten words are too few when twenty are asked for"}\n'


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts, pools, drops and a dead letter, with the names that the page asks for."""
    folder = tmp_path_factory.mktemp("out")
    store = ObjectStore(folder.as_uri())
    pack(store, [[5, 40], [16]])
    uses = lane(store, "uses", seal_rows=1)
    uses.put("shards.sealed", *list_parts(store))
    uses.put("archive.uses.flush", Flush())
    uses.run()
    documents = lane(store)
    sources = ["file:///in/notes/7.md", "file:///in/a.jsonl#1"]
    for number, source in enumerate(sources, 1):
        made = document(number, bucket="zh", language="zh", source=source)
        made.metadata["url"] = "https://example.com/well.html"
        documents.put("pool.zh", made)
    documents.put("archive.flush", Flush())
    documents.run()
    drops = lane(store, "drops")
    drops.put("docs.rejected", rejection(8, "rules", "repeated_lines", language="zh"))
    drops.put("docs.rejected", rejection(9, "dedup", "exact_duplicate"))
    drops.put("archive.flush", Flush())
    drops.run()
    place = {"topic": "docs.raw.dlq", "partition": 0, "offset": 1, "logged": 1_700_000_000_000}
    letter = {
        "letter": "docs.raw.dlq/0/1",
        "uid": "",
        "id": "",
        "source": "",
        "unit": "ingest",
        "reason": "cut",
    }
    (folder / LETTERS).write_text(json.dumps(letter | place) + "\n")
    return folder


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents an answer for which servers had to run."""

    def begin(*_: object, **__: object) -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr(Stack, "__init__", begin)


def test_there_are_twenty() -> None:
    """Prevents a row that this test passes over, since it is written another way."""
    assert [int(number) for number, _ in QUESTIONS] == list(range(1, 21))


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(("number", "line"), QUESTIONS)
def test_each_is_answered(
    number: str, line: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a page whose commands are none any more, and one that changes the folder it asks."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus, tmp_path / "corpus")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "corpus").rglob("*")}
    command, _, given = line.partition(" < ")
    done = ask(*shlex.split(command), given=TEXTS if given else "")
    missing = "doc a-name" in line
    assert done.code == (1 if missing else 0), (number, done)
    assert done.out or done.err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "corpus").rglob("*")} == before
