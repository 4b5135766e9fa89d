"""`export`: what is kept, whole and once, in a form that others read, and that ingest takes again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from contracts import Flush
from services.runtime import ObjectStore
from tests.e2e.commands import Done, ask
from tests.unit.archive.rows import document, lane, rejection


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Six documents of two buckets, of which one was superseded in its pool; a drop of the rules."""
    store = ObjectStore(tmp_path.as_uri())
    store.put("parts/river.json", b"{}")
    documents = lane(store, seal_rows=4)
    for number in range(1, 7):
        bucket = "zh" if number % 2 else "en"
        documents.put(f"pool.{bucket}", document(number, bucket=bucket, language=bucket))
    documents.put("archive.flush", Flush())
    documents.run()
    drops = lane(store, "drops")
    drops.put("docs.rejected", rejection(3, "mixer", "superseded"), rejection(9, language="en"))
    drops.put("archive.flush", Flush())
    drops.run()
    return tmp_path


def take(out: Path, to: str, *arguments: str) -> tuple[Done, Path]:
    return ask("export", out, "--to", out / to, *arguments), out / to


def test_what_is_kept_in_each_form(out: Path) -> None:
    """Prevents a superseded copy from coming out, and forms that differ in what they hold."""
    done, file = take(out, "all.jsonl")
    assert (done.code, done.err) == (0, f"5 documents in {file}\n")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    kept = [document(number) for number in (1, 2, 4, 5, 6)]
    assert {row["id"]: row["text"] for row in rows} == {each.id: each.text for each in kept}
    assert rows[0]["metadata"] == dict(kept[0].metadata) != {}
    _, packed = take(out, "all.jsonl.gz")
    assert gzip.decompress(packed.read_bytes()) == file.read_bytes()
    _, table = take(out, "all.parquet")
    read = pq.read_table(table).to_pylist()
    assert [row["text"] for row in read] == [row["text"] for row in rows]
    assert dict(read[0]["metadata"]) == rows[0]["metadata"]
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        *("all.jsonl", "all.jsonl.gz", "all.parquet")
    ]


def test_what_is_asked_for(out: Path) -> None:
    """Prevents a filter that is passed over when it is for a file."""
    done, file = take(out, "en.jsonl", "--bucket", "en", "--limit", "2")
    assert done.err.startswith("2 documents")
    assert {json.loads(line)["bucket"] for line in file.read_text().splitlines()} == {"en"}
    _, file = take(out, "drops.jsonl", "--table", "drops", "--unit", "rules")
    (row,) = map(json.loads, file.read_text().splitlines())
    assert (row["reason"], row["text"]) == ("too_short", rejection(9).document.text)
    done, file = take(out, "packed.jsonl", "--packed")
    assert done.err.startswith("0 documents")
    assert file.read_text() == ""


@pytest.mark.parametrize(
    ("to", "arguments", "says"),
    [
        ("x.csv", (), "must end in .jsonl"),
        ("parts/river.json", (), "must end in"),
        ("no/such/x.jsonl", (), "cannot be written"),
        ("x.jsonl", ("--table", "uses"), "there are documents, drops"),
        ("x.jsonl", ("--table", "drops", "--packed"), "for documents"),
        ("x.jsonl", ("--since", "tomorrow"), "no time"),
    ],
)
def test_what_cannot_be_is_refused(out: Path, to: str, arguments: tuple[str, ...], says: str) -> None:
    """Prevents half a file, and one that is written over."""
    done, file = take(out, to, *arguments)
    assert done.code == 2, done
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert to == "parts/river.json" or not file.exists()


def test_nothing_is_written_over(out: Path) -> None:
    """Prevents an export from taking the place of what somebody has."""
    take(out, "all.jsonl")
    done, file = take(out, "all.jsonl", "--limit", "1")
    assert (done.code, len(file.read_text().splitlines())) == (2, 5)
