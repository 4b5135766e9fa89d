"""`plan`: what a corpus of so many documents will take, thing by thing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, topology_of
from services.runtime import ConfigurationError, Settings, configure, load_settings

if TYPE_CHECKING:
    from services.ledger.plan.plan import Corpus, Thing, Work

app = typer.Typer()

_DAYS = 30  # in which the documents come, if nothing else is said


@app.command()
def plan(
    *,
    documents: Annotated[float, typer.Option("--documents", min=1, help="In all, as 1e9.")],
    per_day: Annotated[
        float | None, typer.Option("--per-day", min=1, help="That come in a day; default: all in 30 days.")
    ] = None,
    num_bytes: Annotated[
        float, typer.Option("--bytes", help="Of a document's text, on the average.")
    ] = 5_000,
    tokens: Annotated[
        float, typer.Option("--tokens-per-document", help="On the average, of those that are kept.")
    ] = 1_200,
    kept: Annotated[
        float, typer.Option("--kept", help="Share that gets past rules and dedup, 0 to 1.")
    ] = 0.7,
    lanes: Annotated[int | None, typer.Option("--lanes", min=1, help="Default: as it is set.")] = None,
    replicas: Annotated[
        int | None, typer.Option("--replicas", min=1, help="Of topics; default: as it is set.")
    ] = None,
    river: Annotated[
        Path | None, typer.Option("--from", help="Folder of a river here: what one takes is measured on it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What will grow, by how much a document, to what, and how it shrinks; cores, lanes and partitions."""
    from services.ledger.plan.measured import measured
    from services.ledger.plan.plan import Corpus, work
    from services.ledger.plan.plan import plan as plan_of
    from services.local.run import attached
    from services.runtime.keep import kept as kept_for

    settings = load_settings()
    topology = topology_of(settings)
    try:
        corpus = Corpus(
            documents=documents,
            per_day=min(per_day or documents / _DAYS, documents),
            text=num_bytes,
            tokens=tokens,
            kept=kept,
            replicas=replicas or settings.kafka.replication_factor,
            lanes=lanes or settings.lanes,
            partitions=settings.partitions,
        )
    except ValueError as error:
        raise ConfigurationError(f"plan: {error}") from error
    found = None
    if river is not None:
        with attached(river) as there:
            found = measured(there, topology_of(there))
    keep = kept_for(topology.topics(), settings.keep)
    things = list(plan_of(corpus, topology, keep, found, _sentences(settings)))
    (_as_json if as_json else _show)(corpus, things, work(corpus))


def _sentences(settings: Settings) -> int:
    """How many are remembered."""
    from services.sentences import SentencesConfig

    config: SentencesConfig = configure("sentences", SentencesConfig, settings.units.get("sentences", {}))
    return config.entries if config.of and config.index == "redis" else 0


def _as_json(corpus: Corpus, things: list[Thing], needed: Work) -> None:
    rows = [asdict(thing) for thing in things]
    print(json.dumps({"corpus": asdict(corpus), "things": rows, "work": asdict(needed)}, indent=1))


def _show(corpus: Corpus, things: list[Thing], needed: Work) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{corpus.documents:,.0f} documents, {corpus.per_day:,.0f} a day", title_justify="left"
    )
    for heading in ("what grows", "bytes a document", "in all", "shrinks", "measured by"):
        right = heading in {"bytes a document", "in all"}
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading == "what grows")
    for thing in things:
        each = f"{thing.a_document:,.{0 if thing.a_document >= 10 else 2}f}"
        each = f"by {thing.each}" if thing.each and not thing.a_document else each
        table.add_row(thing.name, each, _bytes(thing.bytes), thing.shrinks, thing.source)
    table.add_row("all", "", _bytes(sum(thing.bytes for thing in things)), "", "")
    console = Console()
    console.print(table)
    console.print(
        f"{needed.core_hours:,.0f} core hours without the judges; {needed.cores:,.1f} cores, {needed.lanes} "
        f"lanes and {needed.partitions} partitions keep up with what comes in a day. Topics are counted "
        f"{corpus.replicas} times.",
        soft_wrap=True,
    )


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,.0f} B" if number else ""
