"""`ledger`: the uses of a document are those that its parts hold, and one without any has a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts import Flush
from services.cli.ledger import app
from services.ledger.uses import recorded, summarise
from services.runtime import ConfigurationError, ObjectStore
from services.sink.parts import list_parts, read_records
from tests.unit.archive.rows import document, rejection
from tests.unit.archive.rows import lane as archive
from tests.unit.sink.packed import pack
from trainer.data.store import Store
from trainer.steplog import Row, StepLog


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """Two lanes of parts, whose uids and ids are those of their numbers; and an archive of others."""
    made = ObjectStore(tmp_path.as_uri())
    pack(made, [[5, 40, 3], [16, 16]])
    pack(made, [[9]], lane=1)
    documents, drops = archive(made), archive(made, "drops")
    documents.put("pool.zh", document(1), document(2))
    documents.put("archive.flush", Flush())
    drops.put("docs.rejected", rejection(2, "mixer", "superseded"), rejection(3))
    drops.put("archive.flush", Flush())
    documents.run()
    drops.run()
    return made


def archive_uses(store: ObjectStore, lane_0_parts: int) -> None:
    """The uses of the first parts of lane 0; the others are sealed and not archived yet."""
    uses = archive(store, "uses")
    parts = [part for part in list_parts(store) if part.lane == 0]
    uses.put("shards.sealed", *parts[:lane_0_parts])
    uses.put("archive.uses.flush", Flush())
    uses.run()


def ask(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])


def told(tmp_path: Path, name: str) -> dict[str, Any]:
    found = ask(tmp_path, "doc", name)
    assert found.exit_code == 0, found.output
    (line,) = found.stdout.splitlines()
    account: dict[str, Any] = json.loads(line)
    return account


def test_every_document_has_the_uses_that_its_parts_hold(store: ObjectStore, tmp_path: Path) -> None:
    """By id and by uid; a wrong one would send whoever looks for a spike to another document."""
    seen = 0
    for part in list_parts(store):
        for record in read_records(store, part):
            seen += 1
            account = told(tmp_path, record.id)
            assert account == told(tmp_path, f"{record.uid:016x}")
            (use,) = account["uses"]
            spans = [[span.start, span.end] for span in record.spans]
            assert (use["part"], use["phase"], use["pass"]) == (part.name, "stable", 1)
            assert (use["spans"], use["sequence"]) == (spans, spans[0][0] // part.sequence_length)
            assert (account["id"], account["outcome"], use["steps"]) == (record.id, "in_parts", [])
    assert seen == 6


def test_a_document_without_uses_waits_or_has_a_reason(store: ObjectStore, tmp_path: Path) -> None:
    assert told(tmp_path, "文/1") | {"uid": ""} == {"id": "文/1", "uid": "", "uses": [], "outcome": "waiting"}
    assert told(tmp_path, "文/2")["outcome"] == "dropped", "it came to a pool and was dropped there"
    dropped = told(tmp_path, "文/3")
    assert dropped["outcome"] == "dropped"
    assert dropped["drops"] == [{"unit": "rules", "reason": "too_short", "detail": None}]


def test_a_name_that_nobody_has_ends_with_a_line(store: ObjectStore, tmp_path: Path) -> None:
    found = ask(tmp_path, "doc", "d1000000")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "no document 'd1000000'" in found.stderr


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_part_without_its_records_ends_with_a_line(store: ObjectStore, tmp_path: Path, damage: str) -> None:
    """Prevents a traceback, and worse: uses that are told as if they were all."""
    path = tmp_path / "parts" / f"{list_parts(store)[0].name}.jsonl"
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    for arguments in (["summary"], ["doc", "d2"]):
        found = ask(tmp_path, *arguments)
        assert (found.exit_code, found.stdout) == (1, "")
        assert f"{list_parts(store)[0].name}: " in found.stderr
        assert isinstance(found.exception, SystemExit)


def test_the_summary_counts_uses_and_what_is_unique(store: ObjectStore, tmp_path: Path) -> None:
    found = json.loads(ask(tmp_path, "summary", "--json").stdout)
    assert found["taken"] == [{"phase": "stable", "bucket": "zh", "uses": 6, "tokens": 89}]
    assert (found["unique"], found["unique_tokens"], found["repeated"], found["most"]) == (6, 89, 0, 1)
    assert "6 uses of 6 documents, 89 tokens" in " ".join(ask(tmp_path, "summary").stdout.split())


def test_a_document_used_twice_is_told_so(tmp_path: Path) -> None:
    """The same part read twice, as if a second pass had taken its documents again."""
    made = ObjectStore(tmp_path.as_uri())
    pack(made, [[5, 6]])
    found = summarise(recorded(made, [*list_parts(made), *list_parts(made)]))
    assert (found.uses, found.unique, found.repeated, found.most) == (4, 2, 2, 2)
    assert (found.tokens, found.unique_tokens) == (22, 11)


@pytest.mark.parametrize("archived", [1, 2])
def test_uses_are_the_same_wherever_they_are_read(store: ObjectStore, tmp_path: Path, archived: int) -> None:
    """From the parts, from the archive, and from both: none is told twice, and none is passed over."""
    names = [f"d{number}" for number in range(1, 6)] + ["d1001"]
    by_parts = [told(tmp_path, name) for name in names]
    summary = ask(tmp_path, "summary", "--json").stdout
    archive_uses(store, archived)
    for part in [part for part in list_parts(store) if part.lane == 0][:archived]:
        (tmp_path / "parts" / f"{part.name}.jsonl").unlink()  # what the archive has is not read again
    assert [told(tmp_path, name) for name in names] == by_parts
    assert [told(tmp_path, account["uid"]) for account in by_parts] == by_parts
    assert ask(tmp_path, "summary", "--json").stdout == summary


def train(tmp_path: Path, run: str, steps: dict[int, list[tuple[str, int, float]]], **more: bool) -> None:
    """The step log of a run: by step its sequences and their losses."""
    log = StepLog(Store(str(tmp_path)), run)
    for step, taken in steps.items():
        parts, sequences, losses = map(list, zip(*taken, strict=True))
        log.add([Row(step, 0, sequences, parts, sequences, losses, learning_rate=0.1, **more)])
    assert log.close()


def test_the_documents_of_a_step_come_by_their_loss(store: ObjectStore, tmp_path: Path) -> None:
    """Every document of the sequences and no other; whoever looks for a spike begins at the top."""
    part, other = list_parts(store)[:2]
    train(tmp_path, "first", {7: [(part.name, 0, 2.5), (part.name, 1, 9.25)], 8: [(other.name, 0, 3.0)]})
    found = ask(tmp_path, "step", "7", "--json", "--text")
    assert found.exit_code == 0, found.output
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["loss"] for row in rows] == sorted((row["loss"] for row in rows), reverse=True)
    expected = set()
    for record in read_records(store, part):
        for span in record.spans:
            if span.start // part.sequence_length < 2:
                expected.add((record.id, f"{record.uid:016x}", part.name, span.start // part.sequence_length))
    assert {(row["id"], row["uid"], row["part"], row["sequence"]) for row in rows} == expected
    assert sum(row["tokens"] for row in rows) <= 2 * part.sequence_length
    assert {(row["run"], row["step"], row["bucket"]) for row in rows} == {("first", 7, "zh")}
    assert all("text" in row for row in rows)
    shown = " ".join(ask(tmp_path, "step", "7").stdout.split())
    assert f"step 7 of first: 2 sequences, {len(rows)} documents in them" in shown


def test_a_step_that_is_not_there_ends_with_a_line(store: ObjectStore, tmp_path: Path) -> None:
    found = ask(tmp_path, "step", "7")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "no run has a step log here" in found.stderr
    train(tmp_path, "first", {7: [(list_parts(store)[0].name, 0, 2.5)]})
    found = ask(tmp_path, "step", "70")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "run first has no step 70 in its log, which has those from 7 to 7" in found.stderr
    found = ask(tmp_path, "step", "7", "--run", "frist")
    assert found.exit_code == 1
    assert "no run 'frist' has a step log here; there are: first" in found.stderr


def test_of_several_runs_one_is_asked_for(store: ObjectStore, tmp_path: Path) -> None:
    (part, *_) = list_parts(store)
    for run in ("first", "second"):
        train(tmp_path, run, {7: [(part.name, 0, 2.5)]})
    found = ask(tmp_path, "step", "7")
    assert isinstance(found.exception, ConfigurationError)
    assert str(found.exception) == "there are several runs; choose one with --run: first, second"
    assert ask(tmp_path, "step", "7", "--run", "second", "--json").exit_code == 0


def test_a_part_of_a_step_that_is_gone_ends_with_a_line(store: ObjectStore, tmp_path: Path) -> None:
    train(tmp_path, "first", {7: [("lane-000/part-gone", 0, 2.5)]})
    found = ask(tmp_path, "step", "7")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "there is no part 'lane-000/part-gone'" in found.stderr


def test_a_document_has_the_steps_that_took_it(store: ObjectStore, tmp_path: Path) -> None:
    """In all of its sequences; what a run went back over is told apart."""
    part = list_parts(store)[0]
    record = max(read_records(store, part), key=lambda record: len(record.spans))
    sequences = sorted({span.start // part.sequence_length for span in record.spans})
    assert len(sequences) > 1
    train(tmp_path, "first", {3: [(part.name, sequences[0], 2.0)], 5: [(part.name, sequences[-1], 2.0)]})
    (use,) = told(tmp_path, record.id)["uses"]
    assert use["steps"] == [3, 5]
    assert not {"undone", "runs"} & set(use)
    train(tmp_path, "first", {4: [(part.name, sequences[-1], 2.0)]})  # resumed from step 3
    (use,) = told(tmp_path, record.id)["uses"]
    assert (use["steps"], use["undone"]) == ([3, 4], [5])
    train(tmp_path, "second", {9: [(part.name, sequences[0], 2.0)]})
    (use,) = told(tmp_path, record.id)["uses"]
    assert (use["steps"], use["undone"]) == ([3, 4, 9], [5])
    assert use["runs"] == {"first": {"steps": [3, 4], "undone": [5]}, "second": {"steps": [9]}}
    found = ask(tmp_path, "doc", record.id, "--run", "second")
    assert json.loads(found.stdout)["uses"][0]["steps"] == [9]


def test_a_torn_file_of_the_log_costs_a_line(store: ObjectStore, tmp_path: Path) -> None:
    part = list_parts(store)[0]
    train(tmp_path, "first", {7: [(part.name, 0, 2.5)]})
    torn = tmp_path / "train" / "first" / "steps" / "000000000008-000000000008.000000.parquet"
    torn.write_bytes(b"PAR1")
    (record, *_) = read_records(store, part)
    found = ask(tmp_path, "doc", record.id)
    assert found.exit_code == 0
    assert json.loads(found.stdout)["uses"][0]["steps"] == [7]
    assert f"{torn.relative_to(tmp_path)} is passed over" in found.stderr
