"""`retention`: how long what is on the topics is kept, what holds it, and deleting what need not be."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from services.cli.options import AsJson, Out, topology_of

if TYPE_CHECKING:
    from services.ledger.retention import Retained

app = typer.Typer(no_args_is_help=True, help="How long messages are kept, and deleting what need not be.")


@app.command()
def show(out: Out = None, as_json: AsJson = False) -> None:
    """What could be deleted now, by topic, and what holds the rest."""
    from services.ledger.retention import survey
    from services.local.run import attached

    with attached(out) as settings:
        found = survey(settings, topology_of(settings))
    _print(found, "deletable", as_json=as_json)


@app.command()
def apply(out: Out = None, as_json: AsJson = False) -> None:
    """Delete what has been kept long enough and is done with; may run at any time, beside everything.

    `up` does it every hour and `run` at its end.
    """
    from services.ledger.retention import retain
    from services.local.run import attached

    with attached(out) as settings:
        found = retain(settings, topology_of(settings))
    _print(found, "deleted", as_json=as_json)


def _print(found: Retained, done: str, *, as_json: bool) -> None:
    if as_json:
        for row in _rows(found, done):
            print(json.dumps(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("topic", "keep", "held by", title_justify="left")
    for heading in ("offsets", done, "large fields", done):
        table.add_column(heading, justify="right")
    for row in _rows(found, done):
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


def _rows(found: Retained, done: str) -> Iterator[dict[str, Any]]:
    """One a topic. held_by: of the partition that holds most; offsets: markers of transactions take some."""
    offsets, ready = Counter[str](), Counter[str]()
    keep = {limit.topic: _time(limit.keep) for limit in found.limits}
    bodies = {each.topic: each for each in found.bodies}
    for limit in found.limits:
        offsets[limit.topic] += limit.end - limit.start
        ready[limit.topic] += limit.until - limit.start
    for topic in [*keep, *(topic for topic in bodies if topic not in keep)]:
        held = [limit for limit in found.limits if limit.topic == topic and limit.until < limit.end]
        most = max(held, key=lambda limit: limit.end - limit.until, default=None)
        objects = bodies.get(topic)
        unneeded = len(objects.unneeded) if objects else 0
        yield {
            "topic": topic,
            "keep": keep.get(topic, "forever"),
            "held_by": most.held_by if most else None,
            "offsets": offsets[topic] if topic in keep else None,
            done: ready[topic] if topic in keep else None,
            "objects": objects.left + unneeded if objects else 0,
            f"objects_{done}": unneeded,
        }


def _time(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and math.isclose(seconds % size, 0):
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
