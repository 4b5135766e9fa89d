"""Questions to the archive: how many rows, and which. Reads files that count; no server, nothing is written.

Of a file no more is read than the columns that are asked for, in the row groups that can hold an answer.
"""

from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from services.archive.file import LISTED
from services.archive.files import counting, days, file_key
from services.archive.tables import Row, Table
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

DAY = "day"  # a column of every table, by the path of its files
_WHOLE = ("text", "body", "detail")  # no groups are made of these


class Damaged(CorpusworksError):
    """A file of the archive that cannot be read."""


@dataclass(frozen=True)
class Asked:
    """Which rows: those where each of these columns has this value, and the source is like that.

    source: a part of it, or, with * or ?, a pattern of the whole.
    """

    equal: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def check(self, table: Table) -> None:
        """Raises ConfigurationError: the table has no such column."""
        for name in self.equal:
            if name not in table.columns:
                raise _no_column(table, name)
        if self.source and "source" not in table.columns:
            raise _no_column(table, "source")


def count(store: ObjectStore, table: Table, asked: Asked, by: Sequence[str] = ()) -> list[Row]:
    """How many rows there are by the values of some columns, most first: those columns and `rows`.

    Raises ConfigurationError, DependencyDown, Damaged.
    """
    groups = [DAY, *(name for name, kind in table.columns.items() if kind == "string" and name not in _WHOLE)]
    if unknown := set(by) - set(groups):
        raise ConfigurationError(f"no groups by {', '.join(sorted(unknown))}; there are: {', '.join(groups)}")
    columns = [name for name in by if name != DAY]
    counts: Counter[tuple[str | None, ...]] = Counter()
    for day, batch in _scan(store, table, asked, columns):
        for values, number in _counted(batch, columns):
            known = dict(zip(columns, values, strict=True)) | {DAY: day}
            counts[tuple(known[name] for name in by)] += number
    if not by:
        return [{"rows": counts.total()}]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], [value or "" for value in item[0]]))
    return [dict(zip(by, values, strict=True)) | {"rows": number} for values, number in ordered]


def rows(store: ObjectStore, table: Table, asked: Asked, columns: Sequence[str]) -> Iterator[Row]:
    """The rows with some of their columns, day by day. Raises ConfigurationError, DependencyDown, Damaged."""
    for day, batch in _scan(store, table, asked, [name for name in columns if name != DAY]):
        for row in batch.to_pylist():
            yield {name: day if name == DAY else row[name] for name in columns}


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
    for day in days(store, table.name):
        for name in counting(store, table.name, day):
            yield from ((day, found) for found in _read(store, name, asked, columns))


def _read(store: ObjectStore, name: str, asked: Asked, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of one file, a row group at a time, with these columns and maybe others."""
    condition = _condition(asked)
    needed = [*columns, *asked.equal, *(["source"] if asked.source else [])] or ["uid"]
    with reading(store, name):
        file = opened(store, name)
    for number in range(file.num_row_groups):
        with reading(store, name):
            if not _may_hold(file.metadata.row_group(number), asked):
                continue
            found = file.read_row_group(number, list(dict.fromkeys(needed)), use_threads=False)
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


def _no_column(table: Table, name: str) -> ConfigurationError:
    return ConfigurationError(f"{table.name} have no {name}: leave it out, or choose another --table")


def _condition(asked: Asked) -> pc.Expression | None:
    import pyarrow.compute as pc

    found = [pc.field(name) == value for name, value in asked.equal.items()]
    if asked.source:
        source = pc.field("source")
        if set(asked.source) & set("*?"):
            found.append(pc.match_like(source, _like(asked.source)))
        else:
            found.append(pc.match_substring(source, asked.source))
    return reduce(operator.and_, found) if found else None


def _like(glob: str) -> str:
    """A pattern of SQL's LIKE for one with * and ?."""
    for mark in "\\%_":
        glob = glob.replace(mark, "\\" + mark)
    return glob.replace("*", "%").replace("?", "_")


def _counted(batch: pa.Table, columns: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], int]]:
    if not columns:
        yield (), batch.num_rows
        return
    found = batch.group_by(list(columns)).aggregate([([], "count_all")])
    for row in found.to_pylist():
        yield tuple(row[name] for name in columns), row["count_all"]
