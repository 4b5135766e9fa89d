"""`dedup rebuild`, `dedup cool`, `dedup status`: the index of all that ever came in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from contracts import DedupRecord
from services.cli.exits import EXIT_WRONG, fail
from services.cli.kept import Progress, chain_of, committed_in, stand, wait_for_its_end
from services.cli.options import Out
from services.runtime import ConfigurationError, Resources, Settings, agreement, configure, topics
from services.runtime.topology import Chain

if TYPE_CHECKING:
    from rich.console import Console

    from services.dedup import DedupConfig
    from services.dedup.cold import Filter
    from services.runtime.clients.log import Log

app = typer.Typer(no_args_is_help=True, help="The index of dedup: how far it has come, and making it again.")

_UNIT = "dedup"
_DAY_S = 86_400


@app.command()
def rebuild(
    out: Out = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the old index is removed.")] = False,
) -> None:
    """Make the index again from dedup.log, after Redis has lost it; dedup must not run meanwhile."""
    from rich.console import Console

    from services.dedup import agrees
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
            bounds = _old(log, config, ends)
            made = rebuild_index(
                lambda: _records(log, {tp: (bounds[tp], end) for tp, end in ends.items()}),
                committed,
                resources,
                config,
                Progress(console),
                read_cold=lambda: _records(log, {tp: (0, bound) for tp, bound in bounds.items()}),
            )
        agreement.remade(settings, agrees(config, settings))
        resources.close()
    rate = made.documents / made.seconds if made.seconds else 0.0
    console.print(
        f"{made.documents:,} documents, {made.deaths:,} of which stand back for a better one, in "
        f"{made.seconds:.1f} s ({rate:,.0f} documents/s)."
        + (f" {made.cold:,} older ones are in the cold tier." if made.cold else "")
        + " Dedup can go on."
    )


@app.command()
def cool(out: Out = None) -> None:
    """Move documents older than dedup.cold_after_days to the cold tier; dedup may run meanwhile."""
    from rich.console import Console

    from services.dedup.cool import Cooler
    from services.local.run import attached
    from services.runtime.clients.log import Log

    console = Console()
    with attached(out) as settings:
        config, resources = _config(settings), Resources(settings)
        if not config.cold_after_days:
            raise ConfigurationError("units.dedup.cold_after_days is 0: say after how many days (--set)")
        cooler = Cooler(resources, config)
        with Log(settings) as log:
            bounds = _old(log, config, log.settled_ends([topics.DEDUP_LOG]))
            taken, progress = cooler.cold.taken(), Progress(console)
            begun = {tp: min(taken.get(tp[1], 0), bound) for tp, bound in bounds.items()}
            moved = cooler.move(
                _records(log, {tp: (begun[tp], bound) for tp, bound in bounds.items()}), progress
            )
            cooler.cold.take({tp[1]: bound for tp, bound in bounds.items()})
        filters, number = cooler.cold.filters(), cooler.cold.documents()
        cooler.close()
        resources.close()
    told = f" {_told(filters, number, config)}" if filters else ""
    console.print(f"{moved:,} documents moved.{told}", soft_wrap=True)


@app.command()
def status(out: Out = None) -> None:
    """Generation and layout of the index, documents, bytes, and how far it has come in each partition."""
    from services.dedup.cold_index import RedisCold
    from services.dedup.rebuild import documents_in
    from services.local.run import attached

    with attached(out) as settings:
        config, resources = _config(settings), Resources(settings)
        stand(settings, resources, config, "records", documents_in(resources, config))
        cold = RedisCold.of(resources, config)
        if filters := cold.filters():
            print(_told(filters, cold.documents(), config))
        cold.close()
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


def _told(filters: Sequence[Filter], documents: int, config: DedupConfig) -> str:
    """Of the cold tier."""
    from services.dedup.cold import PAGE, false_drop, needed

    pages = sum(each.pages for each in filters)
    chance = false_drop(filters, needed(config.threshold, config), 1, config)
    return (
        f"Cold tier: {documents:,} documents in {pages * PAGE / 1e6:,.0f} MB, {len(filters)} filter(s); "
        f"a new document drops falsely with a chance of {chance:.1g}"
    )


def _old(log: Log, config: DedupConfig, ends: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """By partition of dedup.log, below which offset its documents are to be cold."""
    if not config.cold_after_days:
        return dict.fromkeys(ends, 0)
    since = log.since([topics.DEDUP_LOG], int((time.time() - config.cold_after_days * _DAY_S) * 1000))
    return {tp: min(since.get(tp, 0), end) for tp, end in ends.items()}


def _records(log: Log, ranges: dict[tuple[str, int], tuple[int, int]]) -> Iterator[DedupRecord]:
    for record in log.read(ranges):
        if record.value is not None:
            yield DedupRecord.FromString(record.value)
