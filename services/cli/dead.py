"""Dead letters as a table beside those of the archive, so that one command asks all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.archive.tables import Row, Table
from services.cli.options import topology_of
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

    from services.archive.asked import Asked

NAME = "letters"
_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("letter", "uid", "id", "source", "unit", "reason", "detail", "state"), "string"),
    **dict.fromkeys(("language", "format", "category", "bucket"), "string"),
    "metadata": "strings",
    "text": "string",
    "topic": "string",
    "partition": "int",
    "offset": "int",
    "logged": "time",
}
LETTERS = Table(NAME, _COLUMNS, written="", flush="", rows=lambda *_: ())


def found(place: str, asked: Asked) -> Iterator[tuple[str, pa.Table]]:
    """The dead letters of a river's folder that are asked for, as the archive gives rows.

    Of a folder at rest what its last run wrote down; else they are read from its servers, which are started
    if need be. Raises ConfigurationError, DependencyDown.
    """
    from services.archive.query import held

    return held(LETTERS, [_row(row) for row in _rows(place)], asked)


def _rows(place: str) -> list[dict[str, Any]]:
    from services.local.folder import running
    from services.local.letters import kept, live
    from services.local.run import attached
    from services.local.store import STATE

    if "://" in place:
        raise ConfigurationError(
            "dead letters are in Kafka and not in the store: give the river's folder, or ask "
            "`corpusworks dlq list`"
        )
    out = Path(place)
    if running(out / STATE) is None and (rows := kept(out)) is not None:
        return rows
    with attached(out) as settings:
        return list(live(settings, topology_of(settings)))


def _row(row: Mapping[str, Any]) -> Row:
    logged = datetime.fromtimestamp(row["logged"] / 1000, UTC)
    return {**row, "logged": logged, "metadata": sorted((row.get("metadata") or {}).items())}
