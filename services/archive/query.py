"""Questions to the archive: how many rows, and which. Reads files that count; no server, nothing is written.

Of a file no more is read than the columns that are asked for, in the row groups that can hold an answer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from services.archive.asked import MADE, Asked, no_column, with_made
from services.archive.file import LISTED, read, schema
from services.archive.files import counting, days, file_key
from services.archive.tables import Row, Table
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

DAY = "day"  # a column of every table, by the path of its files
_WHOLE = ("text", "body", "detail", "removed")  # no groups are made of these


class Damaged(CorpusworksError):
    """A file of the archive that cannot be read."""


def count(
    store: ObjectStore, table: Table, asked: Asked, by: Sequence[str] = (), *, tokens: bool = False
) -> list[Row]:
    """How many rows there are by the values of some columns, most first: those columns and `rows`.

    tokens: and how many tokens they have. Raises ConfigurationError, DependencyDown, Damaged.
    """
    needed = needed_for(table, by, tokens=tokens)
    return counted(_scan(store, table, asked, needed), by, tokens=tokens)


def needed_for(table: Table, by: Sequence[str], *, tokens: bool = False) -> list[str]:
    """The columns that are read to count by these. Raises ConfigurationError."""
    made = [name for name, of in MADE.items() if set(of) <= set(table.columns)]
    strings = [name for name, kind in table.columns.items() if kind == "string" and name not in _WHOLE]
    groups = [DAY, *strings, *made]
    if unknown := set(by) - set(groups):
        raise ConfigurationError(f"no groups by {', '.join(sorted(unknown))}; there are: {', '.join(groups)}")
    if tokens and "num_tokens" not in table.columns:
        raise no_column(table, "num_tokens")
    columns = [part for name in by if name != DAY for part in MADE.get(name, (name,))]
    return [*columns, *(["num_tokens"] if tokens else [])]


def counted(found: Iterable[tuple[str, pa.Table]], by: Sequence[str], *, tokens: bool = False) -> list[Row]:
    """Rows by the values of some columns, most first; of batches with their day."""
    columns = [name for name in by if name != DAY]
    counts: Counter[tuple[str | None, ...]] = Counter()
    sums: Counter[tuple[str | None, ...]] = Counter()
    for day, batch in found:
        for values, number, amount in _counted(with_made(batch, columns), columns, tokens=tokens):
            known = dict(zip(columns, values, strict=True)) | {DAY: day}
            key = tuple(known[name] for name in by)
            counts[key] += number
            sums[key] += amount
    if not by:
        return [{"rows": counts.total()} | ({"tokens": sums.total()} if tokens else {})]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], [value or "" for value in item[0]]))
    return [
        dict(zip(by, values, strict=True)) | {"rows": number} | ({"tokens": sums[values]} if tokens else {})
        for values, number in ordered
    ]


def rows(store: ObjectStore, table: Table, asked: Asked, columns: Sequence[str]) -> Iterator[Row]:
    """The rows with some of their columns, day by day. Raises ConfigurationError, DependencyDown, Damaged."""
    return listed_rows(_scan(store, table, asked, [name for name in columns if name != DAY]), columns)


def listed_rows(found: Iterable[tuple[str, pa.Table]], columns: Sequence[str]) -> Iterator[Row]:
    """The rows of batches with their day."""
    for day, batch in found:
        for row in batch.to_pylist():
            yield {name: day if name == DAY else row[name] for name in columns}


def matching(
    store: ObjectStore, table: Table, condition: pc.Expression, columns: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Rows that meet a condition over the source and the metadata. Raises DependencyDown, Damaged."""
    for day, batch in _scan(store, table, Asked(), [*columns, "source", "metadata"]):
        yield day, batch.filter(condition)


def held(table: Table, some: Sequence[Row], asked: Asked) -> Iterator[tuple[str, pa.Table]]:
    """Those of these rows that are asked for, as a table's files would give them. `logged`: a datetime."""
    import pyarrow as pa

    asked.check(table)
    condition, columns = asked.condition(), schema(table)
    by_day: dict[str, list[Row]] = {}
    for row in some:
        by_day.setdefault(row["logged"].strftime("%Y-%m-%d"), []).append(row)
    for day in sorted(by_day):
        made = [pa.array([row.get(f.name) for row in by_day[day]], f.type) for f in columns]
        batch = pa.Table.from_arrays(made, schema=columns)
        yield day, batch if condition is None else batch.filter(condition)


def batches(store: ObjectStore, table: Table, columns: Sequence[str]) -> Iterator[pa.Table]:
    """All rows with some of their columns, as Arrow has them. Raises DependencyDown, Damaged."""
    for _, batch in _scan(store, table, Asked(), columns):
        yield batch


def listed(store: ObjectStore, table: Table) -> set[str]:
    """Every value of the table's listed column, from the footers alone. Raises DependencyDown, Damaged."""
    found: set[str] = set()
    for name in counting(store, table.name):
        with reading(store, name):
            said = opened(store, name).metadata.metadata or {}
            found |= set(json.loads(said.get(LISTED, b"[]")))
    return found


def opened(store: ObjectStore, name: str) -> pq.ParquetFile:
    """A file of which no more is read than is asked for; to be used within `reading`.

    Read it without threads: one of Arrow's that still lets go of a file of ours, while the interpreter ends,
    takes the process down with it (SIGABRT).
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(store.open(file_key(name)), pre_buffer=False)


@contextmanager
def reading(store: ObjectStore, name: str) -> Iterator[None]:
    """Raises Damaged for what goes wrong with a file."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise Damaged(
            f"{file_key(name)} is not in {store.url} any more: ask again if the archive was just compacted"
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"{file_key(name)} in {store.url} cannot be read: {error}") from error


def _scan(
    store: ObjectStore, table: Table, asked: Asked, columns: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Day by day, each listed when it is its turn: a compaction meanwhile takes no file from under it."""
    asked.check(table)
    for day in filter(asked.may_be_of, days(store, table.name)):
        for name in counting(store, table.name, day):
            yield from ((day, found) for found in _read(store, table, name, asked, columns))


def _read(
    store: ObjectStore, table: Table, name: str, asked: Asked, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """The rows of one file, a row group at a time, with these columns and maybe others."""
    condition = asked.condition()
    needed = [*columns, *asked.columns] or ["uid"]
    with reading(store, name):
        file = opened(store, name)
    for number in range(file.num_row_groups):
        with reading(store, name):
            if not _may_hold(file.metadata.row_group(number), asked):
                continue
            found = read(file, table, [number], list(dict.fromkeys(needed)))
            found = found if condition is None else found.filter(condition)
        yield found


def _may_hold(group: pq.RowGroupMetaData, asked: Asked) -> bool:
    """Whether the statistics of a row group leave it a row that is asked for."""
    for at in range(group.num_columns):
        column = group.column(at)
        wanted, known = asked.equal.get(column.path_in_schema), column.statistics
        ranged = wanted is not None and known is not None and known.has_min_max
        if ranged and not known.min <= wanted <= known.max:
            return False
    return True


def _counted(
    batch: pa.Table, columns: Sequence[str], *, tokens: bool
) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Of each group its values, its rows and, if asked for, its tokens."""
    import pyarrow.compute as pc

    if not columns:
        yield (), batch.num_rows, (pc.sum(batch["num_tokens"]).as_py() or 0) if tokens else 0
        return
    sums = [("num_tokens", "sum")] if tokens else []
    found = batch.group_by(list(columns)).aggregate([([], "count_all"), *sums])
    for row in found.to_pylist():
        yield tuple(row[name] for name in columns), row["count_all"], row.get("num_tokens_sum") or 0
