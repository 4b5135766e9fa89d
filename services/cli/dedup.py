"""`dedup rebuild`, `dedup status`: the index of all that ever came in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from contracts import DedupRecord
from services.cli.exits import EXIT_WRONG, fail
from services.cli.kept import Progress, chain_of, committed_in, stand, wait_for_its_end
from services.cli.options import Out
from services.runtime import ConfigurationError, Resources, Settings, configure, topics
from services.runtime.topology import Chain

if TYPE_CHECKING:
    from rich.console import Console

    from services.dedup import DedupConfig
    from services.runtime.clients.log import Log

app = typer.Typer(no_args_is_help=True, help="The index of dedup: how far it has come, and making it again.")

_UNIT = "dedup"


@app.command()
def rebuild(
    out: Out = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the old index is removed.")] = False,
) -> None:
    """Make the index again from dedup.log, after Redis has lost it; dedup must not run meanwhile."""
    from rich.console import Console

    from services.dedup.rebuild import rebuild as rebuild_index
    from services.local.run import attached
    from services.runtime.clients.log import Log

    console = Console()
    with attached(out) as settings:
        config, chain, resources = _config(settings), chain_of(settings, _UNIT), Resources(settings)
        wait_for_its_end(settings, _UNIT, chain, console)
        committed = committed_in(settings, chain)  # before the log is read: see Log.settled_ends
        with Log(settings) as log:
            ends = log.settled_ends([topics.DEDUP_LOG])
            _explain(config, sum(ends.values()), sum(committed.values()), chain, console)
            if not yes and not typer.confirm("Remove it and make it again?"):
                fail("nothing was changed", EXIT_WRONG)
            made = rebuild_index(lambda: _records(log, ends), committed, resources, config, Progress(console))
        resources.close()
    rate = made.documents / made.seconds if made.seconds else 0.0
    console.print(
        f"{made.documents:,} documents, {made.deaths:,} of which stand back for a better one, in "
        f"{made.seconds:.1f} s ({rate:,.0f} documents/s). Dedup can go on."
    )


@app.command()
def status(out: Out = None) -> None:
    """Generation and layout of the index, documents, bytes, and how far it has come in each partition."""
    from services.dedup.rebuild import documents_in
    from services.local.run import attached

    with attached(out) as settings:
        config, resources = _config(settings), Resources(settings)
        stand(settings, resources, config, "records", documents_in(resources, config))
        resources.close()


def _config(settings: Settings) -> DedupConfig:
    from services.dedup import DedupConfig

    config: DedupConfig = configure(_UNIT, DedupConfig, settings.units.get(_UNIT, {}))
    if config.index == "memory":
        raise ConfigurationError("units.dedup.index is memory, which ends with its process")
    return config


def _explain(config: DedupConfig, records: int, taken: int, chain: Chain, console: Console) -> None:
    console.print(
        f"The index {config.prefix} in Redis is replaced by what dedup.log says: up to {records:,} records. "
        f"The group of {chain.name} has taken {taken:,} messages of {chain.input}.",
        soft_wrap=True,
    )
    if taken and not records:
        console.print(
            "dedup.log is empty: the new index will know nothing of what came before, and what comes again "
            "will pass again.",
            soft_wrap=True,
        )


def _records(log: Log, ends: dict[tuple[str, int], int]) -> Iterator[DedupRecord]:
    for record in log.read({tp: (0, end) for tp, end in ends.items()}):
        if record.value is not None:
            yield DedupRecord.FromString(record.value)
