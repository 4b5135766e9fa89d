"""`judge`: the trainer's commands, and those that ask a river."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.documents import read
from services.cli.options import Out, topology_of
from services.runtime import ConfigurationError, Emit, Resources, configure, load_settings
from services.runtime.topology import Topology
from trainer.bert.commands import app

if TYPE_CHECKING:
    from contracts import Document
    from services.cli.junk import Told
    from services.cli.kinds import Worth
    from services.scorer.calibrate import Row

__all__ = ["app"]
_NEXT = "to rank by it, start with CORPUSWORKS_UNITS__SCORER__CALIBRATION={path}"


@app.command()
def refresh(
    out: Annotated[Path, typer.Option(help="the folder of the river that runs")],
) -> None:
    """Switch a running river to the newest versions in its model folders, without a pause."""
    from services.local.run import refresh_judges
    from services.scorer import ScorerConfig, chosen

    config = configure("scorer", ScorerConfig, load_settings().units.get("scorer", {}))
    for model, version in refresh_judges(out).items():
        print(f"{model}: version {version}")
        if model == config.model and not (ranks := chosen(config)).knows(f"{model}@{version}"):
            print(
                f"calibration {ranks.version} knows no score of version {version}: all that it judges is "
                f"kept until `corpusworks judge calibrate --out {out} --to FILE` and a start with FILE",
                file=sys.stderr,
            )


@app.command()
def calibrate(
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(help="Documents to judge here; default: what the river has judged.")
    ] = None,
    out: Out = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write; without it the table is only shown.")
    ] = None,
    from_nothing: Annotated[
        bool, typer.Option("--anew", help="Take nothing over from the present calibration.")
    ] = False,
    least: Annotated[int, typer.Option("--least", min=2, help="Documents that a group needs.")] = 200,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="Category that gets no quantiles, so nothing of it is dropped."),
    ] = None,
) -> None:
    """Make the table by which scores become ranks from documents, and say what the present one keeps."""
    from services.scorer import Calibration, Census, ScorerConfig, chosen

    config = configure("scorer", ScorerConfig, load_settings().units.get("scorer", {}))
    census = Census(config)
    for document in _judged_here(paths) if paths else _judged_there(out):
        census.add(document)
    if not census.documents:
        raise ConfigurationError(
            "no document has a score: "
            + ("look at what `corpusworks apply` says of them" if paths else "run some first")
        )
    present = Calibration({}) if from_nothing else chosen(config)
    made = census.calibration(present, least).without(without or ())
    _show(census.rows(present, made))
    anew = sum(made.groups[group] != present.groups.get(group) for group in made.groups)
    print(
        f"{census.documents} documents; calibration {made.version}, {len(made.groups)} groups, of which "
        f"{anew} are of these documents: of less than {least} (--least) a group stays as it was",
        file=sys.stderr,
    )
    if to is not None:
        _write(to, made.data)
        print(f"{to} written; {_NEXT.format(path=to.absolute())}", file=sys.stderr)


@app.command()
def kinds(
    *,
    index: Annotated[
        Path, typer.Argument(help="JSONL: a line for each page: its `file`, `category`, `url`, maybe `lang`.")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write; without it the table is only measured.")
    ] = None,
) -> None:
    """Count what pages of each category say that they are, and say what that is worth beside their text."""
    from services.cli.kinds import counted, pages_of, worth

    settings = load_settings()
    pages, labels = pages_of(index, settings, topology_of(settings))
    made = counted(pages, labels)
    _show_worth(worth(pages, labels))
    print(f"{len(pages)} pages; table {made.version}, weight of the text {made.text_weight}", file=sys.stderr)
    if to is not None:
        _write(to, made.data)
        print(f"{to} written; beside a model's model.json, as page_kinds.json, it counts", file=sys.stderr)


@app.command()
def junk(
    *,
    paths: Annotated[
        list[str],
        typer.Argument(help="Documents that are good; a record whose `junk` is 1 is only measured."),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write; without it the table is only shown.")
    ] = None,
    least: Annotated[int, typer.Option("--least", min=2, help="Good documents that a category needs.")] = 100,
) -> None:
    """Make the table of junk: by language and category the logit that 1 % of good documents exceed."""
    from services.cli.junk import judged, worth
    from services.scorer.junk import measured

    found = judged(_judged_here(paths))
    try:
        made = measured(((each.group, each.logit) for each in found if not each.is_junk), least)
    except ValueError as error:
        raise ConfigurationError(
            f"{error}: give more, or teach the model the head (`corpusworks judge head`)"
        ) from error
    _show_junk(worth(found, made))
    print(f"{len(found)} documents; table {made.version}, {len(made.groups)} groups", file=sys.stderr)
    if to is not None:
        _write(to, made.data)
        print(f"{to} written; beside a model's model.json, as junk.json, it counts", file=sys.stderr)


def _judged_there(out: Path | None) -> Iterator[Document]:
    from services.ledger import scored
    from services.local.run import attached

    with attached(out) as settings:
        yield from scored(settings, topology_of(settings))


def _judged_here(paths: Iterable[str]) -> Iterator[Document]:
    """Through all units before the scorer, which adds nothing to a document that its rank would need."""
    from services.runtime.apply import judged

    settings = load_settings()
    resources, topology = Resources(settings), topology_of(settings)
    documents = read(paths, settings)
    for document, verdict in judged(_before("scorer", topology), documents, resources, topology):
        if isinstance(verdict, Emit):
            yield document


def _before(name: str, topology: Topology) -> list[str]:
    """The units in a row that lead from a source to this one."""
    names: list[str] = []
    inputs = topology.service(name).inputs
    while feeding := [each for each in topology.services.values() if each.output in inputs and each.inputs]:
        names.insert(0, feeding[0].name)
        inputs = feeding[0].inputs
    return names


def _show(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    from services.ledger import is_off

    table = Table("group", "source", "of its own", title_justify="left")
    for heading in ("documents", "to be kept", "kept by the present table"):
        table.add_column(heading, justify="right")
    for row in rows:
        off = " off" if is_off(row.documents, row.kept, row.target) else ""
        table.add_row(
            str(row.group),
            row.group.source,
            "yes" if row.own else "no",
            str(row.documents),
            f"{row.target:.1%}",
            f"{row.kept:.1%}{off}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _show_worth(rows: Sequence[Worth]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "language", "category", title="each half of the sites by a table of the other", title_justify="left"
    )
    for heading in ("pages", "say a kind", "right by text", "right with it"):
        table.add_column(heading, justify="right")
    for row in rows:
        told = (str(row.pages), str(row.declaring), f"{row.by_text:.3f}", f"{row.with_kinds:.3f}")
        table.add_row(row.language, row.category, *told)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _show_junk(rows: Sequence[Told]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("language", "category", "limit", "of its own", title_justify="left")
    for heading in ("good", "past it", "junk", "past it"):
        table.add_column(heading, justify="right")
    for row in rows:
        limit = "none" if row.limit is None else f"{row.limit:.3g}"
        numbers = (row.good, row.good_past, row.junk, row.junk_past)
        table.add_row(row.language, row.category, limit, "yes" if row.own else "no", *map(str, numbers))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a service may be starting with it."""
    try:
        made = path.with_name(f".{path.name}.{os.getpid()}")
        made.write_bytes(data)
        made.replace(path)
    except OSError as error:
        raise ConfigurationError(f"--to {path}: {error.strerror}") from error
