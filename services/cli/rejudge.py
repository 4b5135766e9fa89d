"""`rejudge`: documents that were dropped go back to who dropped them, after a threshold was changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.archive.asked import Asked
from services.cli.exits import EXIT_WRONG, fail
from services.cli.filters import filtered
from services.cli.options import topology_of
from services.cli.run import job_of, run_through
from services.runtime import ConfigurationError, ObjectStore, Settings, Unit, load_settings
from services.runtime.topology import BUCKET, Topology
from services.runtime.wrong import meant

if TYPE_CHECKING:
    from services.ledger.rejudge import Dropped

app = typer.Typer()
_TOKENIZER = "services.tokenizer:SERVICE"


@app.command()
@filtered
def rejudge(
    out: Annotated[Path, typer.Option("--out", help="Folder given to run or up.")],
    *,
    asked: Asked,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many there are, and stop.")] = False,
) -> None:
    """Send dropped documents, as the archive has them, back to where --unit reads, each drop once.

    On a river at rest what becomes of them is seen to at once, as `run` does, by the settings of this call.
    """
    from services.archive.query import Damaged
    from services.local.folder import running
    from services.local.run import attached
    from services.local.store import STATE, store_in

    topic = reads(topology_of(load_settings()), asked.equal.get("unit", ""))
    store, is_up = store_in(str(out)), running(out / STATE) is not None

    def send(settings: Settings) -> None:
        if not _tell(settings, topic, store, asked) or dry_run:
            raise typer.Exit
        _send(settings, topic, store, asked)

    try:
        if is_up or dry_run:
            with attached(out) as settings:
                send(settings)
            print(f"they are under way; `corpusworks trace ID --out {out}` tells what becomes of each")
        else:
            run_through(job_of([], out, None), send)
    except Damaged as error:
        fail(error, EXIT_WRONG)


def reads(topology: Topology, unit: str) -> str:
    """The topic to which what this unit dropped goes back. Raises ConfigurationError.

    It is what the unit's process reads. Token ids are in no archive, so that who reads behind the tokenizer
    gets its documents by way of it.
    """
    able = [name for name in topology.services if _judges(topology, name)]
    if not unit:
        raise ConfigurationError(f"say whose drops: --unit {' or '.join(able)}")
    if unit not in able:
        raise ConfigurationError(
            f"--unit {unit}: what {', '.join(able)} have dropped can be judged again"
            f"{meant(unit, able)}; what goes behind them has other reasons than a threshold"
        )
    first = _first(topology, unit)
    for name, service in topology.services.items():
        if service.run == _TOKENIZER and first in topology.behind(service.output).services:
            first = _first(topology, name)
    return topology.service(first).inputs[0]


def _judges(topology: Topology, name: str) -> bool:
    """A unit that judges each document by itself."""
    service = topology.services[name]
    return isinstance(service.definition, Unit) and not service.watches and BUCKET not in service.output


def _first(topology: Topology, name: str) -> str:
    """Of the process that it runs in."""
    return next((group[0] for group in topology.processes if name in group), name)


def _tell(settings: Settings, topic: str, store: ObjectStore, asked: Asked) -> int:
    """How many would go."""
    from services.archive.query import rows
    from services.archive.tables import DROPS
    from services.ledger.rejudge import put_back_before

    before, left = put_back_before(settings), 0
    found = 0
    for row in rows(store, DROPS, asked, ["partition", "offset"]):
        was = (row["partition"], row["offset"]) in before
        left, found = left + was, found + (not was)
    also = f"; {left:,} were put back before" if left else ""
    print(f"{found:,} dropped documents go back to {topic}{also}", flush=True)
    return found


def _send(settings: Settings, topic: str, store: ObjectStore, asked: Asked) -> None:
    from services.ledger.rejudge import put_back

    put_back(settings, topic, _drops(store, asked))


def _drops(store: ObjectStore, asked: Asked) -> Iterator[Dropped]:
    from services.archive.query import rows
    from services.archive.tables import DROPS, document_of
    from services.ledger.rejudge import Dropped

    for row in rows(store, DROPS, asked, list(DROPS.columns)):
        yield Dropped(document_of(row), (row["partition"], row["offset"]), row["unit"], row["reason"])
