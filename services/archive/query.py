"""Questions to the archive: how many rows, and which. Reads files that count; no server, nothing is written.

Of a file no more is read than the columns that are asked for, in the row groups that can hold an answer.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from services.archive.files import counting, file_key
from services.archive.tables import Row, Table
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

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
                raise ConfigurationError(
                    f"{table.name} have no {name}: leave it out, or choose another --table"
                )


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


def _scan(
    store: ObjectStore, table: Table, asked: Asked, columns: Sequence[str]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    import pyarrow as pa
    from pyarrow.dataset import ParquetFileFormat

    asked.check(table)
    condition = _condition(asked)
    for name in counting(store, table.name):
        day = name.split("/")[1].removeprefix("day=")
        try:
            fragment = ParquetFileFormat().make_fragment(pa.PythonFile(store.open(file_key(name)), "r"))
            for batch in fragment.to_batches(columns=list(columns), filter=condition):
                yield day, batch
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{file_key(name)} in {store.url} cannot be read: {error}") from error


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


def _counted(batch: pa.RecordBatch, columns: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], int]]:
    import pyarrow as pa

    if not columns:
        yield (), batch.num_rows
        return
    found = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([([], "count_all")])
    for row in found.to_pylist():
        yield tuple(row[name] for name in columns), row["count_all"]
