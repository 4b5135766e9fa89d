"""Parquet files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts import IngestProgress
from tests.unit.ingest.reading import (
    documents,
    only_error,
    reached,
    reads,
    unreadable,
)


def test_parquet_rows_are_records(tmp_path: Path) -> None:
    """Prevents columns from being lost, and lists from becoming text."""
    table = pa.table(
        {
            "id": ["a", "b", "c"],
            "content": ["one", None, "三"],
            "url": ["u1", "u2", None],
            "tags": [["x"], [], ["y"]],
            "meta": [{"license": "CC0"}, {"license": None}, None],
            "n": [1, 2, 3],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    one, two, three = documents(reads(tmp_path))
    assert (one.id, one.body, one.source[-2:]) == ("a", b"one", "#1")
    assert dict(one.metadata) == {"url": "u1", "meta.license": "CC0", "n": "1"}
    assert two.body == b""
    assert three.body.decode() == "三"


def test_parquet_without_a_text_column(tmp_path: Path) -> None:
    """Prevents a dead letter for each of a million rows where one says it."""
    pq.write_table(pa.table({"answer": ["a"] * 1000, "n": range(1000)}), tmp_path / "a.parquet")
    assert "no text column among answer, n; name its field with CORPUSWORKS" in only_error(reads(tmp_path))


@pytest.mark.parametrize("content", [b"PAR1 and nothing else", b"not parquet at all"])
def test_a_broken_parquet_file_is_reported_once(tmp_path: Path, content: bytes) -> None:
    """Prevents a damaged footer from being taken for a failing disk and tried for ever."""
    (tmp_path / "a.parquet").write_bytes(content)
    steps = reads(tmp_path)
    assert "not a usable Parquet file" in only_error(steps)
    assert reads(tmp_path, progress=reached(steps)) == []


def test_compressed_parquet_says_what_to_do(tmp_path: Path) -> None:
    """Prevents seeking about in a compressed stream."""
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert "unpack it" in only_error(reads(tmp_path / "a.parquet.gz"))


def test_a_damaged_row_group_does_not_hide_the_next(tmp_path: Path) -> None:
    """Prevents one bad page from losing the rows after its group, or from being silent."""
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"{n:05} " + "x" * 50 for n in range(3000)]})
    pq.write_table(table, path, row_group_size=1000, compression="snappy", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    steps = reads(path)
    found = documents(steps)
    assert [int(d.body[:5]) for d in found] == [*range(1000), *range(2000, 3000)]
    assert found[1000].source.endswith("#2001")
    assert "rows 1001 to 2000 are damaged" in only_error(steps)
    assert steps[-1].progress.num_records == 3000
    resumed = IngestProgress.FromString(steps[-1].progress.SerializeToString())
    resumed.num_records, resumed.complete = 2000, False
    rest = reads(path, progress={path.as_uri(): resumed})
    assert len(documents(rest)) == 1000
    assert not unreadable(rest)


def test_a_parquet_text_that_is_not_utf8_costs_itself_alone(tmp_path: Path) -> None:
    """Prevents one bad cell from raising for its whole batch."""
    column = pa.array([b"one", b"\xff\xfe", b"three"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    steps = reads(tmp_path)
    assert [d.body for d in documents(steps)] == [b"one", b"three"]
    assert "row 2, column text: not UTF-8" in only_error(steps)
