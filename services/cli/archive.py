"""`archive`: care of the archive's files; no server is needed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.cli.audit import Folder
from services.cli.exits import EXIT_WRONG, fail
from services.local.store import store_in

app = typer.Typer(no_args_is_help=True, help="Care of the archive's files; no server is needed.")


@app.callback()
def _group() -> None:
    """So that its one command is named."""


@app.command("compact")
def archive_compact(
    folder: Folder,
    *,
    today: Annotated[
        bool, typer.Option("--today", help="This day too (UTC), and not those alone that are over.")
    ] = False,
    file_mb: Annotated[
        int, typer.Option(min=1, help="Files smaller than this are merged into files as large.")
    ] = 128,
    grace_s: Annotated[
        float,
        typer.Option(min=0, help="So long a file stays that was replaced, for who has begun to read it."),
    ] = 60.0,
) -> None:
    """Merge the small files of each day into large ones that are sorted by uid: a JSON line for each day.

    May be killed, repeated, and run while services write and others read. From when a day's new files are in
    place until the old ones are gone, after the grace, DuckDB and Spark see its rows twice by a pattern of
    names; `audit` and `trace` see each once, and so does who takes `audit files`.
    """
    from services.archive.compact import Compaction, merge, settle
    from services.archive.files import days
    from services.archive.query import Damaged
    from services.archive.tables import TABLES
    from services.catalog.reader import Reader

    store = store_in(folder)
    numbers = {entry.name: entry.sequence for entry in Reader(store).read()}
    how = Compaction(file_bytes=file_mb << 20, grace_s=grace_s, numbers=numbers)
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    over = [
        (table, day) for table in TABLES.values() for day in days(store, table.name) if today or day < now
    ]
    try:
        for table, day in over:
            found = merge(store, table, day, how)
            if found is not None:
                row = {"table": table.name, "day": day, "files": len(found.replaced), "into": len(found.made)}
                print(json.dumps(row | {"rows": sum(each["rows"] for each in found.made.values())}))
        for table, day in over:
            settle(store, table, day, how)
    except Damaged as error:
        fail(error, EXIT_WRONG)
