"""A file of the archive: rows in, the bytes of a Parquet file out; a pure function.

Rows are sorted by uid, so that the statistics of its row groups (minimum, maximum) leave one that can hold a
given uid; a Bloom filter says of most files that they do not hold it at all (DuckDB, Spark and Trino ask it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from services.archive.tables import Row, Table, in_order, num_bytes

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT = 1  # of the columns
ROW_GROUP_BYTES = 8 << 20  # of texts: what is read for one of them
_LEVEL = 3  # of zstd: its own default
_FALSE_POSITIVES = 0.01  # of the Bloom filter: 10 bits a row
_LARGE = frozenset({"text", "body", "features", "metadata"})  # nobody looks for a range of these
_FEW = frozenset(
    {"media_type", "language", "format", "category", "calibration", "bucket", "tokenizer", "unit", "reason"}
    | {"topic"}
)  # few different values: kept once a row group


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
    }
    return pa.schema([(name, kinds[kind]) for name, kind in table.columns.items()])


def write(rows: Sequence[Row], table: Table, said: Mapping[str, str]) -> bytes:
    """The file of at least one row; the same bytes for the same rows.

    said: goes into its key-value metadata. Memory: two to three times the texts for the moment.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = in_order(rows)
    columns: list[Any] = [
        pa.array([row[field.name] for row in ordered], field.type) for field in schema(table)
    ]
    made = pa.Table.from_arrays(columns, schema=schema(table).with_metadata(dict(said)))
    buffer = pa.BufferOutputStream()
    pq.write_table(
        made,
        buffer,
        row_group_size=max(1, len(rows) * ROW_GROUP_BYTES // max(ROW_GROUP_BYTES, sum(map(num_bytes, rows)))),
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in table.columns if name in _FEW],
        write_statistics=[name for name in table.columns if name not in _LARGE],
        bloom_filter_options={"uid": {"ndv": len(rows), "fpp": _FALSE_POSITIVES}},
    )
    return bytes(buffer.getvalue())
