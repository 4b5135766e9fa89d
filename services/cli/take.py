"""`export`: documents out of the archive, with texts and all that is known of them; no server is needed."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from services.archive.asked import Asked
from services.archive.tables import DOCUMENTS, DROPS, USES, Row, Table
from services.cli.archived import archive_in
from services.cli.audit import Folder
from services.cli.exits import EXIT_WRONG, fail
from services.cli.filters import filtered
from services.local.origin import origin
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.runtime import ObjectStore

app = typer.Typer()
_TABLES = {"documents": DOCUMENTS, "drops": DROPS}
_LEFT_OUT = {"body", "features", "topic", "partition", "offset", "logged", "ingested", "rejected"}
_GROUP = 2000  # rows of a row group
_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")


@app.command("export")
@filtered
def export(
    folder: Folder,
    *,
    asked: Asked,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="A new file: .jsonl, .jsonl.gz or .parquet.")
    ],
    table: Annotated[
        str,
        typer.Option("--table", help="documents: what is kept; drops: with unit, reason and measure."),
    ] = "documents",
    packed: Annotated[
        bool, typer.Option("--packed", help="Of the kept those alone that are in parts.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="So many documents; 0: all.")] = 0,
) -> None:
    """Write kept documents, or drops, that are asked for: text, metadata, language, scores, source.

    A document that a better duplicate superseded later is not kept. FILE appears when all is in it.
    """
    from services.archive.query import Damaged, rows

    chosen = _chosen(table, to, packed=packed)
    if chosen is DOCUMENTS:
        _refuse_mixed(folder)
    store = archive_in(folder)
    columns = [name for name in chosen.columns if name not in _LEFT_OUT]
    try:
        found = rows(store, chosen, asked, columns)
        if chosen is DOCUMENTS:
            found = _kept(store, found, packed=packed)
        with _placed(to) as file:
            number = _write(to, file, islice(found, limit or None), columns, chosen)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    print(f"{number:,} {table} in {to}", file=sys.stderr)


def _refuse_mixed(folder: str) -> None:
    """Raises ConfigurationError where another folder has the texts, instead of an empty file."""
    if "://" not in folder and (first := origin(Path(folder))) is not None:
        raise ConfigurationError(
            f"{folder} was mixed from {first}, whose archive has the texts: `corpusworks export {first} …`; "
            f"`corpusworks parts decode {folder}` writes what was packed"
        )


def _chosen(table: str, to: Path, *, packed: bool) -> Table:
    """Raises ConfigurationError."""
    if table not in _TABLES:
        raise ConfigurationError(f"--table {table}: there are {', '.join(_TABLES)}")
    if packed and table != "documents":
        raise ConfigurationError("--packed is for documents: what was dropped is in no part")
    if not to.name.endswith(_SUFFIXES):
        raise ConfigurationError(f"--to {to}: its name must end in {', '.join(_SUFFIXES)}")
    if to.exists():
        raise ConfigurationError(f"--to {to} exists; name another, or remove it")
    return _TABLES[table]


def _kept(store: ObjectStore, found: Iterable[Row], *, packed: bool) -> Iterator[Row]:
    """Each once, without those that were dropped from a pool."""
    gone = _uids(store, DROPS, Asked({"unit": "mixer"}))
    inside = _uids(store, USES, Asked()) if packed else None
    for row in found:
        if row["uid"] not in gone and (inside is None or row["uid"] in inside):
            gone.add(row["uid"])
            yield row


def _uids(store: ObjectStore, table: Table, asked: Asked) -> set[str]:
    from services.archive.query import rows

    return {row["uid"] for row in rows(store, table, asked, ["uid"])}


def _write(to: Path, file: IO[bytes], found: Iterable[Row], columns: Sequence[str], table: Table) -> int:
    if to.suffix == ".parquet":
        return _parquet(file, found, columns, table)
    number = 0
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if to.suffix == ".gz" else _as_it_is(file) as lines:
        for row in found:
            number += 1
            plain = {name: value for name, value in row.items() if value is not None}
            plain["metadata"] = dict(row["metadata"] or ())
            lines.write(json.dumps(plain, ensure_ascii=False, default=datetime.isoformat).encode() + b"\n")
    return number


def _parquet(file: IO[bytes], found: Iterable[Row], columns: Sequence[str], table: Table) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from services.archive.file import schema

    wanted = pa.schema([schema(table).field(name) for name in columns])
    number = 0
    with pq.ParquetWriter(file, wanted, compression="zstd") as writer:
        rows = iter(found)
        while some := list(islice(rows, _GROUP)):
            writer.write_table(pa.Table.from_pylist(some, schema=wanted))
            number += len(some)
    return number


@contextmanager
def _as_it_is(file: IO[bytes]) -> Iterator[Any]:
    yield file


@contextmanager
def _placed(to: Path) -> Iterator[IO[bytes]]:
    """Whole or not at all. Raises ConfigurationError."""
    made = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with made.open("wb") as file:
            yield file
        made.rename(to)
    except OSError as error:
        raise ConfigurationError(f"--to {to} cannot be written: {error.strerror or error}") from error
    finally:
        made.unlink(missing_ok=True)
