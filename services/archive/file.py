"""A file of the archive: sorted rows in, the bytes of a Parquet file and of its index out; no I/O.

Rows are sorted by uid, so that the statistics of its row groups (minimum, maximum) leave one that can hold a
given uid; Bloom filters say of most files that they do not hold a uid or an id at all (DuckDB, Spark and
Trino ask them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from services.archive.ids import index
from services.archive.tables import Row, Table, in_order, num_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LAYOUT = 1  # of the columns
ROW_GROUP_BYTES = 8 << 20  # of texts: what is read for one of them
LISTED = b"listed"  # in the footer: the values of the table's listed column, as JSON
_LEVEL = 3  # of zstd: its own default
_FALSE_POSITIVES = 0.01  # of the Bloom filters: 10 bits a row
_LARGE = frozenset(
    {"text", "body", "features", "metadata", "spans", "sequences", "removed"}
)  # no ranges of these
_FEW = frozenset(
    {"media_type", "language", "format", "category", "calibration", "bucket", "tokenizer", "unit", "reason"}
    | {"topic", "part", "phase", "recipe"}
)  # few different values: kept once a row group


class Encoded(NamedTuple):
    """A file. ids: its index (services/archive/ids.py)."""

    data: bytes
    ids: bytes


@cache
def schema(table: Table) -> pa.Schema:
    """The table's columns as Arrow has them."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "bytes": pa.binary(),
        "int": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "time": pa.timestamp("ms", tz="UTC"),
        "numbers": pa.map_(pa.string(), pa.float64()),
        "strings": pa.map_(pa.string(), pa.string()),
        "ints": pa.list_(pa.int64()),
        "spans": pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())])),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in table.columns.items()])


def read(file: pq.ParquetFile, table: Table, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Row groups with these columns of the table; those that the file was written without are null.

    Without threads: see query.opened.
    """
    import pyarrow as pa

    found = file.read_row_groups(list(groups), list(columns), use_threads=False)
    for name in columns:
        if name not in found.column_names:
            field = schema(table).field(name)
            found = found.append_column(field, pa.nulls(len(found), field.type))
    return found


def write(rows: Sequence[Row], table: Table, said: Mapping[str, str]) -> Encoded:
    """The file of at least one row; the same bytes for the same rows.

    said: goes into its key-value metadata. Memory: two to three times the texts for the moment.
    """
    import pyarrow as pa

    ordered = in_order(rows)
    columns: list[Any] = [
        pa.array([row[field.name] for row in ordered], field.type) for field in schema(table)
    ]
    encoder = Encoder(table, said)
    encoder.add(pa.Table.from_arrays(columns, schema=schema(table)), sum(map(num_bytes, rows)))
    return encoder.finish()


class Encoder:
    """A file in the making: takes pieces in the order of their uids."""

    def __init__(self, table: Table, said: Mapping[str, str]) -> None:
        import pyarrow as pa

        self._table = table
        self._said = dict(said)
        self._buffer = pa.BufferOutputStream()
        self._writer: pq.ParquetWriter = None
        self._ids: list[list[str]] = []  # by row group
        self._listed: set[str] = set()

    @property
    def size(self) -> int:
        """Bytes so far."""
        return int(self._buffer.tell())

    def add(self, piece: pa.Table, size: int) -> None:
        """At least one row. size: about what it takes in memory, by which it is cut into row groups."""
        rows = max(1, piece.num_rows * ROW_GROUP_BYTES // max(ROW_GROUP_BYTES, size))
        if self._writer is None:
            self._writer = self._open(rows)
        self._writer.write_table(piece, row_group_size=rows)
        ids, uids = piece["id"].to_pylist(), piece["uid"].to_pylist()
        self._ids += [ids[at : at + rows] + uids[at : at + rows] for at in range(0, len(ids), rows)]
        if self._table.listed:
            # Not by its `unique`, for which Arrow imports functions that take longer than a part's file.
            self._listed |= set(piece[self._table.listed].to_pylist())

    def finish(self) -> Encoded:
        """The file; nothing can be added after it."""
        if self._table.listed:
            self._said[LISTED.decode()] = json.dumps(sorted(self._listed), ensure_ascii=False)
        self._writer.add_key_value_metadata(self._said)
        self._writer.close()
        return Encoded(bytes(self._buffer.getvalue()), index(self._ids))

    def _open(self, rows: int) -> pq.ParquetWriter:
        import pyarrow.parquet as pq

        bloom = {"ndv": rows, "fpp": _FALSE_POSITIVES}  # of a row group
        return pq.ParquetWriter(
            self._buffer,
            schema(self._table),
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=[name for name in self._table.columns if name in _FEW],
            write_statistics=[name for name in self._table.columns if name not in _LARGE],
            bloom_filter_options={"uid": bloom, "id": bloom},
        )
