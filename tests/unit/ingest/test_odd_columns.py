"""Parquet columns that Python cannot hold, and columns of one name: every document comes."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.ingest.reading import documents, only_error, reads, unreadable

ODD_NS = 1_700_000_000_123_456_789
COUNT = 6


def table(**columns: Any) -> pa.Table:
    texts = [f"the text of row {n}" for n in range(COUNT)]
    return pa.table({"id": [f"r{n}" for n in range(COUNT)], "text": texts, **columns})


def odd(value: object, kind: pa.DataType) -> pa.Array:
    return pa.array([value] * COUNT, kind)


def stamps(value: int, unit: str, zone: str | None = None) -> pa.Array:
    return pa.array([value] * COUNT, pa.int64()).cast(pa.timestamp(unit, zone))


STRUCT = pa.struct([("at", pa.timestamp("ns")), ("name", pa.string())])
COLUMNS = {
    "nanoseconds": (stamps(ODD_NS, "ns"), "2023-11-14 22:13:20.123456789"),
    "nanoseconds of a zone": (stamps(ODD_NS, "ns", "Asia/Shanghai"), "2023-11-14 22:13:20.123456789Z"),
    "nobody's zone": (stamps(1_700_000_000, "s", "Mars/Olympus"), "2023-11-14 22:13:20.000Z"),
    "year 10000": (stamps(300_000_000_000_000_000, "us"), "11476-08-15 05:20:00.000000"),
    "before the year 1": (stamps(-90_000_000_000_000_000, "us"), None),
    "time of nanoseconds": (odd(1001, pa.int64()).cast(pa.time64("ns")), "00:00:00.000001001"),
    "duration of nanoseconds": (odd(1001, pa.int64()).cast(pa.duration("ns")), "1001 ns"),
    "long duration": (odd(1 << 62, pa.int64()).cast(pa.duration("s")), f"{1 << 62} s"),
    "date": (odd(5_000_000, pa.int32()).cast(pa.date32()), None),
    "decimal": (odd(decimal.Decimal("1.50"), pa.decimal128(38, 2)), "1.50"),
    "wide decimal": (odd(decimal.Decimal(10) ** 60, pa.decimal256(76, 0)), "1" + "0" * 60),
    "half": (pa.array([1.5] * COUNT, pa.float32()).cast(pa.float16()), "1.5"),
    "nan": (odd(float("nan"), pa.float64()), "nan"),
    "null": (pa.nulls(COUNT), None),
    "words": (odd("word", pa.string()).dictionary_encode(), "word"),
    "bytes": (odd(b"\xff", pa.binary()), None),
    "list": (odd([1, 2], pa.list_(pa.int64())), None),
    "map": (odd([("a", 1)], pa.map_(pa.string(), pa.int64())), None),
    "not utf-8": (odd(b"\xff\xfe", pa.binary()).view(pa.string()), None),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_python_cannot_hold_comes_as_text_or_not_at_all(tmp_path: Path, name: str) -> None:
    """Prevents an odd column beside the text from ending the import, and each later one."""
    column, expected = COLUMNS[name]
    pq.write_table(table(odd=column), tmp_path / "a.parquet")
    steps = reads(tmp_path)
    assert not unreadable(steps)
    found = documents(steps)
    assert [d.body.decode() for d in found] == [f"the text of row {n}" for n in range(COUNT)]
    assert [d.id for d in found] == [f"r{n}" for n in range(COUNT)]
    if expected is not None:
        assert {d.metadata["odd"] for d in found} == {expected}


def test_one_odd_cell_among_good_ones(tmp_path: Path) -> None:
    """Prevents good values from changing their look because another row is odd."""
    column = pa.array([1_700_000_000_000_000_000, ODD_NS, None] * 2, pa.int64()).cast(pa.timestamp("ns"))
    pq.write_table(table(odd=column), tmp_path / "a.parquet")
    said = [d.metadata.get("odd") for d in documents(reads(tmp_path))]
    assert said[:3] == ["2023-11-14 22:13:20", "2023-11-14 22:13:20.123456789", None]


def test_an_object_with_an_odd_field_keeps_the_others(tmp_path: Path) -> None:
    """Prevents the fields of an object from being lost with one of them."""
    value = {"at": ODD_NS, "name": "x"}
    pq.write_table(table(meta=odd(value, STRUCT)), tmp_path / "a.parquet")
    (said,) = {tuple(sorted(d.metadata.items())) for d in documents(reads(tmp_path))}
    assert said == (("meta.at", "2023-11-14 22:13:20.123456789"), ("meta.name", "x"))


@pytest.mark.parametrize("names", [["id", "text", "score", "score"], ["id", "text", "text", "score"]])
def test_of_two_columns_with_one_name_the_first_counts(tmp_path: Path, names: list[str]) -> None:
    """Prevents a file whose columns are double, the text itself included, from ending the import."""
    columns = [pa.array([f"{place} {n}" for n in range(COUNT)]) for place in range(4)]
    pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "a.parquet")
    steps = reads(tmp_path)
    assert [d.body.decode() for d in documents(steps)] == [f"1 {n}" for n in range(COUNT)]
    assert not unreadable(steps)


def test_a_damaged_column_beside_the_text_costs_no_document(tmp_path: Path) -> None:
    """Prevents a broken page of a column that nobody needs from losing its rows."""
    path = tmp_path / "a.parquet"
    pq.write_table(
        table(odd=[f"x{n}" for n in range(COUNT)]), path, compression="snappy", use_dictionary=False
    )
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    steps = reads(tmp_path)
    assert [d.id for d in documents(steps)] == [f"r{n}" for n in range(COUNT)]
    assert not unreadable(steps)


@pytest.mark.parametrize("value", [["a", "b"], {"a": "b"}])
def test_a_text_that_is_none_is_told_once(tmp_path: Path, value: object) -> None:
    """Prevents a dead letter for each of a million rows whose text is no text."""
    pq.write_table(pa.table({"text": [value] * 100, "n": range(100)}), tmp_path / "a.parquet")
    assert "no text column among text, n" in only_error(reads(tmp_path))


def test_dates_that_are_no_dates_in_their_zone(tmp_path: Path) -> None:
    """Prevents the first day of the calendar in a zone west of it from ending the import."""
    first = pa.array([datetime.datetime(1, 1, 1)] * COUNT, pa.timestamp("us")).cast(pa.int64())
    column = first.cast(pa.timestamp("us", "America/New_York"))
    pq.write_table(table(odd=column), tmp_path / "a.parquet")
    assert len(documents(reads(tmp_path))) == COUNT
