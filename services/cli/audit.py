"""`audit`: the archive of what went to the pools, was dropped, and was used; no server is needed."""

from __future__ import annotations

from itertools import islice
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from services.archive.asked import Asked
from services.archive.tables import TABLES, Table
from services.cli import dead
from services.cli.archived import archive_in
from services.cli.exits import EXIT_WRONG, fail
from services.cli.filters import filtered
from services.cli.rows import print_rows
from services.local.store import store_in
from services.runtime import ConfigurationError
from services.runtime.wrong import meant

app = typer.Typer(
    no_args_is_help=True, help="Ask the archive of documents, drops and uses; no server is needed."
)

Folder = Annotated[
    str, typer.Argument(help="Folder given to run or up, or the store's folder or URL (s3://…).")
]
TableName = Annotated[
    str,
    typer.Option("--table", help="documents (what went to a pool), drops, uses in parts, or letters (dead)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="With a line of names first.")]

_SHOWN = {  # on a screen; a row a line
    "documents": ("uid", "bucket", "language", "category", "num_tokens", "source"),
    "drops": ("uid", "unit", "reason", "language", "source"),
    "uses": ("uid", "phase", "use", "bucket", "num_tokens", "part"),
    "letters": ("letter", "unit", "state", "source", "reason"),
}
_TOLD = {  # as JSON or CSV
    "documents": (
        "uid",
        "id",
        "language",
        "category",
        "score",
        "rank",
        "bucket",
        "num_tokens",
        "source",
        "day",
    ),
    "drops": ("uid", "id", "unit", "reason", "measured", "threshold", "detail", "language", "source", "day"),
    "uses": (
        "uid",
        "id",
        "part",
        "number",
        "sequences",
        "spans",
        "bucket",
        "phase",
        "use",
        "recipe",
        "num_tokens",
        "day",
    ),
    "letters": ("letter", "uid", "id", "unit", "reason", "state", "language", "source", "day"),
}


@app.command("count")
@filtered
def audit_count(
    folder: Folder,
    *,
    asked: Asked,
    table: TableName = "drops",
    by: Annotated[
        str, typer.Option(help="Group by these: unit,reason or day,language or host or file.")
    ] = "",
    tokens: Annotated[bool, typer.Option("--tokens", help="And how many tokens they have.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="So many groups, the largest; 0: all.")] = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How many rows there are, by the values of some columns."""
    from services.archive.query import Damaged, count, counted, needed_for

    columns = [name.strip() for name in by.split(",") if name.strip()]
    try:
        if table == dead.NAME:
            needed_for(dead.LETTERS, columns, tokens=tokens)
            found = counted(dead.found(folder, asked), columns)
        else:
            chosen = _table(table)
            found = count(archive_in(folder), chosen, asked, columns, tokens=tokens)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    names = [*columns, "rows", *(["tokens"] if tokens else [])]
    print_rows(names, found[: limit or None], as_json=as_json, as_csv=as_csv)


@app.command("list")
@filtered
def audit_list(
    folder: Folder,
    *,
    asked: Asked,
    table: TableName = "drops",
    limit: Annotated[int, typer.Option(min=0, help="So many rows; 0: all.")] = 20,
    skip: Annotated[int, typer.Option(min=0, help="So many rows first are left out: the next page.")] = 0,
    with_text: Annotated[bool, typer.Option("--with-text", help="And the whole text of each.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """The rows themselves, day by day."""
    from services.archive.query import Damaged, listed_rows, rows

    chosen = _table(table)
    told = _TOLD if as_json or as_csv else _SHOWN
    if with_text and "text" not in chosen.columns:
        raise ConfigurationError(f"{table} have no text: leave --with-text out, or choose another --table")
    columns = [*told[table], *(["text"] if with_text else [])]
    try:
        if table == dead.NAME:
            found = listed_rows(dead.found(folder, asked), columns)
        else:
            found = rows(archive_in(folder), chosen, asked, columns)
        page = islice(found, skip, skip + limit if limit else None)
        print_rows(columns, page, as_json=as_json, as_csv=as_csv)
    except Damaged as error:
        fail(error, EXIT_WRONG)


@app.command("files")
def audit_files(folder: Folder, table: TableName = "drops") -> None:
    """The Parquet files that count, for DuckDB, Spark or Trino: a path or URL a line."""
    from services.archive.files import counting, file_key

    if table == dead.NAME:
        raise ConfigurationError(
            "letters are in no Parquet file: `audit list --table letters --json` has them"
        )
    chosen, store = _table(table), store_in(folder)
    at = urlsplit(store.url)
    place = unquote(at.path) if at.scheme == "file" else store.url
    for name in counting(store, chosen.name):
        print(f"{place.rstrip('/')}/{file_key(name)}")


def _table(name: str) -> Table:
    tables = {**TABLES, dead.NAME: dead.LETTERS}
    if name not in tables:
        raise ConfigurationError(f"--table {name}{meant(name, tables)}; there are: {', '.join(tables)}")
    return tables[name]
