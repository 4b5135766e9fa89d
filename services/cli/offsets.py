"""`offsets`: where each service stands in its topics, and the way out when that is lost."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from services.cli.exits import EXIT_WRONG
from services.cli.options import Out, topology_of

app = typer.Typer(no_args_is_help=True, help="Where each service stands in its topics; mends what was lost.")


@app.command("list")
def list_(out: Out = None) -> None:
    """A line for each service, topic and partition; exit 1 where a service cannot go on."""
    from services.local.run import attached
    from services.runtime.mend import survey

    with attached(out) as settings:
        cursors = survey(settings, topology_of(settings))
    for c in cursors:
        lag = c.end - (c.start if c.committed is None else c.committed)
        row = {"group": c.group, "topic": c.topic, "partition": c.partition, "committed": c.committed}
        print(json.dumps(row | {"start": c.start, "end": c.end, "lag": lag, "trouble": c.trouble}))
    if any(c.trouble for c in cursors):
        raise typer.Exit(EXIT_WRONG)


@app.command()
def mend(
    groups: Annotated[list[str] | None, typer.Argument(help="Services; default: all.")] = None,
    out: Out = None,
) -> None:
    """Set every lost offset to the nearest right one; says what that loses or reads again."""
    from services.local.run import attached
    from services.runtime.mend import mend as mend_offsets

    with attached(out) as settings:
        mended = mend_offsets(settings, topology_of(settings), groups or [])
    for m in mended:
        c = m.cursor
        print(f"{c.group}: {c.topic} partition {c.partition} at {m.offset}: {m.said} ({c.trouble})")
    if not mended:
        print("nothing to mend")
