"""`audit`: the archive of what went to the pools, was dropped, and was used; no server is needed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.local.store import store_in
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    from services.archive.query import Asked
    from services.archive.tables import Table

app = typer.Typer(
    no_args_is_help=True, help="Ask the archive of documents, drops and uses; no server is needed."
)

Folder = Annotated[
    str, typer.Argument(help="Folder given to run or up, or the store's folder or URL (s3://…).")
]
TableName = Annotated[
    str, typer.Option("--table", help="documents (what went to a pool), drops, or uses in parts.")
]
Unit = Annotated[str, typer.Option(help="Who dropped it.")]
Reason = Annotated[str, typer.Option(help="Why it was dropped.")]
Language = Annotated[str, typer.Option(help="zh, en, …")]
Category = Annotated[str, typer.Option(help="The classifier's.")]
Bucket = Annotated[str, typer.Option(help="Of the recipe.")]
Source = Annotated[str, typer.Option(help="A part of the source; with * or ? a pattern of the whole.")]
Id = Annotated[str, typer.Option("--id", help="The name its owner gave it.")]
Uid = Annotated[str, typer.Option(help="16 hex digits.")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="With a line of names first.")]

_SHOWN = {  # on a screen; a row a line
    "documents": ("uid", "bucket", "language", "category", "num_tokens", "source"),
    "drops": ("uid", "unit", "reason", "language", "source"),
    "uses": ("uid", "phase", "use", "bucket", "num_tokens", "part"),
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
}


@app.command("count")
def audit_count(
    folder: Folder,
    *,
    table: TableName = "drops",
    by: Annotated[str, typer.Option(help="Group by these columns: unit,reason or day,language.")] = "",
    unit: Unit = "",
    reason: Reason = "",
    language: Language = "",
    category: Category = "",
    bucket: Bucket = "",
    source: Source = "",
    limit: Annotated[int, typer.Option(min=0, help="So many groups, the largest; 0: all.")] = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How many rows there are, by the values of some columns."""
    from services.archive.query import Damaged, count

    chosen = _table(table)
    asked = _asked(source, unit=unit, reason=reason, language=language, category=category, bucket=bucket)
    columns = [name.strip() for name in by.split(",") if name.strip()]
    try:
        found = count(store_in(folder), chosen, asked, columns)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    audit_print([*columns, "rows"], found[: limit or None], as_json=as_json, as_csv=as_csv)


@app.command("list")
def audit_list(
    folder: Folder,
    *,
    table: TableName = "drops",
    unit: Unit = "",
    reason: Reason = "",
    language: Language = "",
    category: Category = "",
    bucket: Bucket = "",
    source: Source = "",
    name: Id = "",
    uid: Uid = "",
    limit: Annotated[int, typer.Option(min=0, help="So many rows; 0: all.")] = 20,
    with_text: Annotated[bool, typer.Option("--with-text", help="And the whole text of each.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """The rows themselves, day by day."""
    from services.archive.query import Damaged, rows

    chosen = _table(table)
    asked = _asked(
        source,
        unit=unit,
        reason=reason,
        language=language,
        category=category,
        bucket=bucket,
        id=name,
        uid=uid.lower(),
    )
    told = _TOLD if as_json or as_csv else _SHOWN
    if with_text and "text" not in chosen.columns:
        raise ConfigurationError(f"{table} have no text: leave --with-text out, or choose another --table")
    columns = [*told[table], *(["text"] if with_text else [])]
    try:
        found = islice(rows(store_in(folder), chosen, asked, columns), limit or None)
        audit_print(columns, found, as_json=as_json, as_csv=as_csv)
    except Damaged as error:
        fail(error, EXIT_WRONG)


@app.command("files")
def audit_files(folder: Folder, table: TableName = "drops") -> None:
    """The Parquet files that count, for DuckDB, Spark or Trino: a path or URL a line."""
    from services.archive.files import counting, file_key

    chosen, store = _table(table), store_in(folder)
    at = urlsplit(store.url)
    place = unquote(at.path) if at.scheme == "file" else store.url
    for name in counting(store, chosen.name):
        print(f"{place.rstrip('/')}/{file_key(name)}")


def _table(name: str) -> Table:
    from services.archive.tables import TABLES

    if name not in TABLES:
        raise ConfigurationError(f"--table {name}: there are {', '.join(TABLES)}")
    return TABLES[name]


def _asked(source: str, **equal: str) -> Asked:
    from services.archive.query import Asked

    return Asked({name: value for name, value in equal.items() if value}, source)


def audit_print(
    columns: Sequence[str], found: Iterable[dict[str, Any]], *, as_json: bool = False, as_csv: bool = False
) -> None:
    """Rows as a table on the screen, JSON objects a line, or CSV."""
    if as_json:
        for row in found:
            print(json.dumps(row, ensure_ascii=False, default=datetime.isoformat))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    else:
        _print_table(columns, found)


def _print_table(columns: Sequence[str], found: Iterable[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Screen

    screen = Screen()
    for name in columns:
        screen.add_column(name, no_wrap=True, overflow="ellipsis")
    for row in found:
        screen.add_row(*(_shown(row[name], escape) for name in columns))
    Console().print(screen)


def _shown(value: Any, escape: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape("" if value is None else str(value))
