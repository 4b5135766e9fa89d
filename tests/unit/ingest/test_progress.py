"""How reading goes on where it stopped, and does not start again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from contracts import IngestProgress
from services.ingest import FileReader, IngestConfig
from services.runtime import IMPORT, Recorded
from tests.unit.ingest.reading import (
    documents,
    jsonl,
    reached,
    reads,
    texts,
    unreadable,
)


def parquet_of(path: Path, records: Sequence[dict[str, str]]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(records)), path, row_group_size=4)
    return path


def array_of(path: Path, records: Sequence[dict[str, str]]) -> Path:
    path.write_text(json.dumps(records))
    return path


def packed(path: Path, records: Sequence[dict[str, str]]) -> Path:
    path.write_bytes(zstandard.compress(jsonl(path, records).read_bytes()))
    return path


@pytest.mark.parametrize("write", [jsonl, parquet_of, array_of, packed])
@pytest.mark.parametrize("name", ["a"])
def test_reading_resumes_at_exactly_the_next_record(
    tmp_path: Path, write: Callable[[Path, Any], Path], name: str
) -> None:
    """Prevents a record lost or read twice after a kill between any two chunks."""
    suffix = {"parquet_of": ".parquet", "array_of": ".json"}.get(write.__name__, ".jsonl")
    records: list[dict[str, str]] = texts(11)
    if write is not parquet_of:
        records[5] = {"bad": "record"}
    path = write(tmp_path / f"{name}{suffix}", records)
    whole = reads(path, chunk_documents=3)
    assert [step.progress.num_records for step in whole] == [3, 6, 9, 11]
    assert [step.progress.complete for step in whole] == [False, False, False, True]
    for stopped in range(len(whole) + 1):
        rest = reads(path, chunk_documents=3, progress=reached(whole[:stopped]))
        assert documents(whole[:stopped]) + documents(rest) == documents(whole)
        assert unreadable(whole[:stopped]) + unreadable(rest) == unreadable(whole)
    for count in range(11):
        before = IngestProgress(
            source=path.as_uri(), fingerprint=whole[0].progress.fingerprint, num_records=count
        )
        rest = reads(path, progress={path.as_uri(): before})
        numbers = [int(d.source.rpartition("#")[2]) for d in documents(rest)]
        assert numbers == [n for n in range(count + 1, 12) if n != 6 or write is parquet_of]


def test_chunks_are_bounded_in_documents_and_bytes(tmp_path: Path) -> None:
    """Prevents a chunk that outgrows a transaction; a document above the bound goes alone."""
    sizes = [5000, 400, 400, 400, 5000, 10, 10, 10]
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x" * size} for size in sizes])
    steps = reads(path, chunk_documents=2, chunk_bytes=1000)
    chunks = [[len(d.body) for d in step.documents] for step in steps]
    assert chunks == [[5000], [400, 400], [400], [5000], [10, 10], [10]]


def test_an_unchanged_folder_gives_nothing(tmp_path: Path) -> None:
    """Prevents the second run from reading again what the first has read."""
    (tmp_path / "a.txt").write_text("a")
    jsonl(tmp_path / "b.jsonl", [*texts(3), {"bad": 1}])
    (tmp_path / "c.jsonl").write_text("\n\n")
    before = reached(reads(tmp_path))
    assert len(before) == 3
    assert reads(tmp_path, progress=before) == []
    (tmp_path / "new.txt").write_text("new")
    assert [d.body for d in documents(reads(tmp_path, progress=before))] == [b"new"]


def test_what_a_folder_passed_over_is_read_where_it_is_named(tmp_path: Path) -> None:
    """Prevents a file of a name that says nothing from being lost in silence: it counts as done by then."""
    (tmp_path / "a.log").write_text("a text")
    (tmp_path / "b.txt").write_text("another")
    before = reached(reads(tmp_path))
    assert before[(tmp_path / "a.log").as_uri()].skipped
    after = reads(tmp_path / "a.log", tmp_path / "b.txt", progress=before)
    assert [d.body for d in documents(after)] == [b"a text"]
    assert reads(tmp_path / "a.log", progress=before | reached(after)) == []


def test_a_changed_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Prevents a file that was rewritten from being resumed in the middle; equal records keep their uid."""
    path = jsonl(tmp_path / "a.jsonl", texts(3))
    before = reads(path)
    jsonl(path, [{"text": "put in"}, *texts(3)])
    after = reads(path, progress=reached(before))
    assert [d.uid for d in documents(after)][1:] == [d.uid for d in documents(before)]
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"text 1", b"TEXT 1"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000))
    assert b"TEXT 1" in documents(reads(path, progress=reached(after)))[1].body


def test_the_same_content_elsewhere_is_read(tmp_path: Path) -> None:
    """Prevents ingest from judging duplicates, which is the work of dedup."""
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("same")
    one, two = documents(reads(tmp_path))
    assert one.body == two.body
    assert one.uid != two.uid


def test_a_file_that_grows_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Prevents the lines appended during a run from being lost."""
    path = jsonl(tmp_path / "a.jsonl", texts(4))
    reader = FileReader(IngestConfig(paths=(str(path),), chunk_documents=2))(Recorded())
    steps = [next(reader)]
    with path.open("a") as file:
        file.write('{"id": "late", "text": "late"}\n')
    steps += reader
    assert "late" in [d.id for d in documents(reads(path, progress=reached(steps)))]


def test_an_import_that_goes_on_has_the_time_of_its_beginning(tmp_path: Path) -> None:
    """Prevents the second half of an interrupted import from being younger than the first."""
    path = jsonl(tmp_path / "a.jsonl", texts(4))
    went_on = reads(path, progress={IMPORT: IngestProgress(began_ms=77_000)})
    assert {document.ingested_ms for step in went_on for document in step.documents} == {77_000}
