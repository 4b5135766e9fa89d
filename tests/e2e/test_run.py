"""The main job: documents in, packed parts and a report out, and only what is new the next time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.local.stack import Stack
from services.runtime import ObjectStore
from services.sink.parts import documents as in_parts
from tests.corpus import documents, write_jsonl
from tests.documents import pdf
from tests.e2e.commands import SAMPLES, ask, corpusworks, left_running, run
from tests.e2e.stored import assert_refused, assert_whole, parts_in

pytestmark = pytest.mark.stack

KEYS = {
    "documents_in",
    "kept",
    "dropped",
    "duplicates",
    "dead_letters",
    "waiting",
    "tokens",
    "parts",
    "mix",
    "seconds",
    "cpu_seconds",
}
# Other buckets than the shipped ones, by what the default recipe does not look at.
RECIPE = """
buckets:
  later: language == "zh"
  long: num_tokens > 350
  short: "true"
phases:
  - {name: only, weights: {long: 3, short: 1}}
"""
LIGHTHOUSE = (
    "The keeper counted the steps every evening, and every evening there were one hundred and twelve.\n"
    "He wrote the number into the book beside the weather, because his father had done so before him.\n"
    "When the light was made automatic, the men who came to fit the motor asked what the column meant.\n"
    "He told them that a stair which is counted daily cannot lose a step without somebody noticing it."
)


def _assert_sums_agree(report: Mapping[str, Any]) -> None:
    assert set(report) >= KEYS
    dropped = sum(number for reasons in report["dropped"].values() for number in reasons.values())
    ended = report["kept"] + dropped + report["duplicates"] + report["dead_letters"]
    assert report["documents_in"] == ended + sum(report["waiting"].values())
    assert all(set(share) >= {"target", "actual"} for share in report["mix"].values())
    if report["tokens"]:
        assert sum(share["actual"] for share in report["mix"].values()) == pytest.approx(1, abs=0.01)
    assert sum(share["target"] for share in report["mix"].values()) == pytest.approx(1, abs=0.01)
    assert report["seconds"] > 0
    names = {"ingest", "parse", "rules", "classifier", "tokenizer", "mixer", "sink", "kafka", "redis"}
    assert names <= set(report["cpu_seconds"])


def _files(out: Path) -> dict[str, tuple[int, bytes]]:
    """Every file beside the parts: when it was written, and its bytes."""
    return {
        str(path.relative_to(out)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted((out / "parts").rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """The folder read, the folder written and the report of a first run."""
    folder = tmp_path_factory.mktemp("first")
    shutil.copytree(SAMPLES, folder / "in")
    (folder / "in" / "stairs.pdf").write_bytes(pdf(LIGHTHOUSE, title="Stairs"))
    report = run(folder / "out", folder / "in", "--workers", "2")
    return folder / "in", folder / "out", report


def test_the_report_has_every_key_and_its_sums_agree(first) -> None:
    """Prevents: a document that is in no column of the report, or in two."""
    source, out, report = first
    _assert_sums_agree(report)
    files = [path for path in (source / "documents").rglob("*") if path.is_file()]
    records = (source / "records.jsonl").read_text().splitlines()
    assert report["documents_in"] == len(files) + len(records) + 2  # the PDF and the README
    assert report["kept"] > 30
    assert report["dead_letters"] == 0
    assert report["waiting"] == {}
    assert report["parts"] == len(list(out.rglob("*.idx")))
    assert left_running(out) == []
    assert (out / "state" / "logs" / "parse-2.log").exists()  # --workers 2


def test_parts_decode_to_what_was_tokenised(first) -> None:
    """Prevents: tokens of one document under the id of another, a lost character, a dead source."""
    source, out, report = first
    verified = ask("parts", "verify", out)
    assert verified.code == 0, verified.out
    decoded = ask("parts", "decode", out / "parts").rows
    listed = ask("parts", "list", out).rows
    assert sorted(part["sequence"] for part in listed) == list(range(len(listed)))  # a run ends with all
    assert len(decoded) == report["kept"] == sum(part["documents"] for part in listed)
    assert sum(row["tokens"] for row in decoded) == report["tokens"] == sum(p["tokens"] for p in listed)
    assert {row["part"] for row in decoded} == {part["part"] for part in listed}
    lines = (source / "records.jsonl").read_text().splitlines()
    asked = {}
    for row in decoded:
        path, _, number = row["source"].removeprefix("file://").partition("#")
        assert Path(path).is_file()
        record = json.loads(lines[int(number) - 1]) if number else {}
        if record:
            assert row["id"] == record["id"]
        asked[row["source"]] = (
            {"id": row["source"], "text": record["text"]}
            if "text" in record
            else {"id": row["source"], "path": path}
        )
    asked = {name: row for name, row in asked.items() if "#" not in name or "text" in row}
    given = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked.values())
    expected = {row["id"]: row for row in ask("apply", "parse", "rules", given=given).rows}
    compared = 0
    for row in decoded:
        if row["source"] in expected:
            assert row["text"] == expected[row["source"]]["text"], row["source"]
            compared += 1
    assert compared >= report["kept"] - 1  # the one record with "html" is no text of apply's
    assert any(LIGHTHOUSE.split("\n", maxsplit=1)[0][:40] in row["text"] for row in decoded)  # the PDF


def test_parts_say_where_documents_are_from_and_go_out_whole(first, tmp_path: Path) -> None:
    """Prevents: a licence lost between the input and the part, and an export that is another corpus."""
    source, out, report = first
    said = {}
    for line in (source / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        said[record["id"], record.get("title")] = record.get("url"), record.get("license")
    listed = ask("parts", "list", out).rows
    compared = 0
    for part in listed:
        shown = json.loads(ask("parts", "show", out, part["part"], "--json", "--first", "1000").out)
        assert shown["announcement"]["num_documents"] == len(shown["first"]) == part["documents"]
        assert all(row["text"] for row in shown["first"])
        for row in shown["first"]:
            if row["source"].partition("#")[0].endswith("records.jsonl"):
                assert (row.get("url"), row.get("licence")) == said[row["id"], row.get("title")]
                compared += "url" in row and "licence" in row
    assert compared > 2
    done = ask("parts", "export", out, "--format", "ds", "--out", tmp_path / "ds")
    assert (done.code, done.err.split()[2]) == (0, str(report["kept"])), done.err
    files = list((tmp_path / "ds").glob("*.ds"))
    assert len(files) == len(listed)
    assert sum(path.stat().st_size for path in files) == 2 * report["tokens"]
    again = ask("parts", "export", out, "--format", "mds", "--out", tmp_path / "ds")
    assert (again.code, again.err.count("\n")) == (2, 1), again.err
    mds = ask("parts", "export", out, "--format", "mds", "--out", tmp_path / "mds")
    assert mds.code == 0, mds.err
    index = json.loads((tmp_path / "mds" / "index.json").read_text())
    assert sum(shard["samples"] for shard in index["shards"]) == report["kept"]


def test_status_trace_and_reconcile_on_a_finished_folder(first) -> None:
    """Prevents: commands that need a running river, and exit codes that scripts cannot rely on."""
    _, out, report = first
    decoded = ask("parts", "decode", out).rows
    with Stack(out / "state"):  # as if `up` ran: the commands find its servers
        reconciled = ask("reconcile", "--out", out)
        assert reconciled.code == 0, reconciled.out
        assert "0 missing, 0 twice" in reconciled.err
        thorough = ask("reconcile", "--thorough", "--out", out)
        assert thorough.code == 0, thorough.out
        assert thorough.err.endswith("; 0 missing, 0 twice\n")
        status = ask("status", "--out", out)
        assert status.code == 0, status.err
        assert "sink" in status.out
        assert "documents came" in status.out
        assert "dropped by" in status.out
        seen = ask("trace", decoded[0]["id"], "--all-topics", "--out", out)
        assert seen.code == 0, seen.err
        kept = ask("trace", decoded[0]["id"], "--out", out)
        assert len(kept.rows) == 2
        assert all(row in seen.rows for row in kept.rows), "the archive tells what the topics would"
        assert {"docs.raw", "docs.parsed", "docs.clean", "docs.scored", "docs.mixed", "shards.sealed"} <= {
            row["topic"] for row in seen.rows
        }
        dropped = ask("trace", "low-0001", "--out", out)
        assert any("dropped_by" in row and row["reason"] for row in dropped.rows)
        unknown = ask("trace", "never-heard-of", "--out", out)
        assert unknown.code == 1
        assert "never-heard-of" in unknown.err
    at_rest = ask("trace", decoded[0]["id"], "--out", out)
    assert (at_rest.code, at_rest.rows) == (0, kept.rows), "no server is needed"
    assert report["duplicates"] == 5, "as tests/data/README.md says"
    assert left_running(out) == []


def test_a_state_folder_that_was_removed(first, tmp_path: Path) -> None:
    """The log, the index and all offsets are gone, the parts are not: refused, adopted, and gone on with."""
    source, origin, _ = first
    out = tmp_path / "out"
    shutil.copytree(origin, out, ignore=lambda folder, _: ["state"] if Path(folder) == origin else [])
    store = ObjectStore(out.as_uri())
    kept = len(list(in_parts(store)))
    numbers = {row["part"]: row["sequence"] for row in ask("parts", "list", out).rows}
    assert sorted(numbers.values()) == list(range(len(numbers)))
    before = parts_in(out)
    done = corpusworks("run", source, "--out", out)
    assert_refused(done, "another river", "--fresh", "corpusworks parts adopt")
    assert parts_in(out) == before
    adopted = ask("parts", "adopt", "--out", out)
    assert adopted.code == 0, adopted.err
    assert {f"parts/{row['part']}.bin" for row in adopted.rows} == {k for k in before if k.endswith(".bin")}
    more = write_jsonl(tmp_path / "b.jsonl", 30, seed=4, duplicates=0)
    run(out, source, more)
    assert before.keys() <= parts_in(out).keys()
    assert all(parts_in(out)[key] == data for key, data in before.items() if key.endswith((".bin", ".idx")))
    uids = [record.uid for _, record, _ in in_parts(store)]
    assert len(uids) == len(set(uids)) > kept
    assert_whole(out, len(uids))
    listed = {row["part"]: row["sequence"] for row in ask("parts", "list", out).rows}
    assert numbers.items() <= listed.items(), "what has a number keeps it"
    assert sorted(listed.values()) == list(range(len(listed)))


def test_the_second_time_only_the_new_is_processed(first, tmp_path: Path) -> None:
    """Prevents: a job that starts over each night, and yesterday's documents in today's parts again."""
    source, out, before = first
    files = _files(out)
    second = tmp_path / "second"
    second.mkdir()
    decoded = ask("parts", "decode", out).rows
    paths = [row["source"].removeprefix("file://") for row in decoded if "#" not in row["source"]]
    paths = [path for path in paths if path.endswith((".txt", ".md", ".py", ".rs"))]
    for number, path in enumerate(paths):
        shutil.copy(path, second / f"{number}-{Path(path).name}")
    records = (source / "records.jsonl").read_text().splitlines()
    shutil.copy(source / "records.jsonl", second / "records-again.jsonl")
    write_jsonl(second / "new.jsonl", 60, seed=5, duplicates=0)
    report = run(out, source, second)
    _assert_sums_agree(report)
    assert report["documents_in"] == len(paths) + len(records) + 60
    assert report["duplicates_by_reason"]["already_seen"] >= before["kept"] - len(
        [row for row in decoded if "#" not in row["source"]]
    )
    later = _files(out)
    sealed = {name for name in files if "manifest" not in name}
    assert {name: later[name] for name in sealed} == {name: files[name] for name in sealed}
    assert ask("parts", "verify", out).code == 0
    # Copies under other names: none is taken for better than what is in the parts already.
    assert report["duplicates"] >= len(paths) + before["kept"] - len(
        [row for row in decoded if "#" not in row["source"]]
    )
    texts = [row["text"] for row in ask("parts", "decode", out).rows]
    assert len(set(texts)) == len(texts)


@pytest.mark.soak
def test_another_recipe_and_a_single_language(tmp_path: Path) -> None:
    """Prevents: a run that waits for ever for Chinese that does not come, or for a bucket without weight;
    a --fresh that remembers; documents that are lost to commands that are not told of the recipe."""
    out, source = tmp_path / "out", tmp_path / "english.jsonl"
    rows = [row for number, row in enumerate(documents(90, seed=9, duplicates=0)) if number % 3 == 1]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = run(out, source)
    _assert_sums_agree(report)
    assert report["documents_in"] == len(rows)
    assert report["kept"] > len(rows) * 0.8
    assert report["mix"]["en"]["actual"] == 1.0
    assert report["mix"]["zh"] | {"tokens": 0} == {"target": 0.4, "actual": 0.0, "tokens": 0}

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    chinese = [row for number, row in enumerate(documents(30, seed=10, duplicates=0)) if number % 3 == 0]
    later = tmp_path / "chinese.jsonl"
    later.write_text("".join(json.dumps(row) + "\n" for row in chinese))
    fresh = run(out, source, later, "--fresh", "--recipe", recipe)
    _assert_sums_agree(fresh)
    assert fresh["documents_in"] == len(rows) + len(chinese)
    assert fresh["kept"] == report["kept"]
    assert set(fresh["waiting"]) == {"later"}  # the recipe gives it no weight, so it waits for another one
    assert fresh["waiting"]["later"] > 5
    assert {bucket for bucket, share in fresh["mix"].items() if share["actual"]} == {"long", "short"}
    assert fresh["mix"]["later"]["target"] == 0
    assert fresh["mix"]["long"]["target"] == 0.75
    assert run(out, source)["mix"]["long"]["target"] == 0.75  # it goes on by the recipe that it has
    listed = ask("parts", "list", out).rows
    assert sum(part["documents"] for part in listed) == fresh["kept"]
    assert {bucket for part in listed for bucket in part["buckets"]} == {"long", "short"}
    reconciled = ask("reconcile", "--out", out)
    assert reconciled.code == 0, reconciled.out
    assert f"{fresh['waiting']['later']} waiting" in reconciled.err


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("buckets: {en: 'language =='}\nphases: [{name: a, weights: {en: 1}}]\n", "buckets.en"),
        ("buckets: {en: 'true'}\nphases: [{name: a, weights: {zh: 1}}]\n", "zh"),
        ("buckets: [", "recipe"),
        (None, "No such file"),
    ],
)
def test_a_bad_recipe_is_told_before_anything_starts(tmp_path: Path, recipe: str | None, told: str) -> None:
    """Prevents: a mistyped recipe that shows after twenty seconds, in the log of some process."""
    path = tmp_path / "recipe.yaml"
    if recipe is not None:
        path.write_text(recipe)
    done = ask("run", SAMPLES, "--out", tmp_path / "out", "--recipe", path)
    assert done.code == 2
    assert done.err.startswith(f"corpusworks: recipe {path}"), done.err
    assert "Traceback" not in done.err
    assert told in done.err
    assert not (tmp_path / "out").exists()
