"""`serve`, `import`, `topics`, `apply`: single processes, against the servers the settings name."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from contracts import Document
from services.cli.exits import EXIT_INTERRUPTED
from services.cli.options import Out, Units, topology_of
from services.runtime import DependencyDown, Reading, Recorded, Resources, Settings, configure, load_settings
from services.runtime.process.replicas import serve_replicas
from services.runtime.serve import serve

app = typer.Typer()
_POLL_S = 0.5
# As the supervisor's QUICK_S: for it, to end while a broker is restarted is no failure.
_PATIENCE_S = 10.0
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for Kafka, and for topics to be made.")
]


@app.command("import")
def import_(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns, s3://, hf:// or https:// URLs.")
    ],
    wait: Wait = 0,
    preset: Annotated[
        str, typer.Option("--preset", help="Layout of a public dataset: fineweb, c4, wudao …")
    ] = "",
    share: Annotated[
        bool, typer.Option("--share", help="With other processes of this command, each file to one of them.")
    ] = False,
    out: Out = None,
) -> None:
    """Read documents into a river; goes on where it was, ends when all is published."""
    with _river(out, paths) as settings:
        if not _import(paths, settings, wait, preset, share=share):
            raise typer.Exit(EXIT_INTERRUPTED)


@contextmanager
def _river(out: Path | None, paths: Sequence[str]) -> Iterator[Settings]:
    """That of a folder, whether it runs or not; None: the one that the settings name."""
    if out is None:
        yield load_settings()
        return
    from services.ingest.walk import check
    from services.local.folder import running
    from services.local.origin import check_origin
    from services.local.run import attached
    from services.local.store import STATE

    check(paths)  # before a server is started for it
    check_origin(out, None)
    lives = running(out / STATE) is not None
    with attached(out) as settings:
        yield settings
    if not lives:
        print(
            f"The documents wait in {out}: `corpusworks up --out {out}` goes on with them.", file=sys.stderr
        )


def _import(paths: Sequence[str], settings: Settings, wait: float, preset: str, *, share: bool) -> bool:
    """False: it was stopped before the end."""
    _await(settings, wait)
    ingest = settings.units.get("ingest", {}) | {"paths": tuple(paths)}
    ingest |= {"preset": preset} if preset else {}
    changed = {"units": settings.units | {"ingest": ingest}}
    settings = settings.model_copy(update=changed | ({"share_sources": True} if share else {}))
    if sys.stderr.isatty():
        from rich.console import Console

        from services.cli.importing import Bar
        from services.ingest import IngestConfig

        with Bar(configure("ingest", IngestConfig, ingest), Console(stderr=True)) as bar:
            return serve(["ingest"], settings, topology_of(settings), bar)
    return serve(["ingest"], settings, topology_of(settings))


@app.command("serve")
def serve_(
    units: Units,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each with a consumer.")] = 1,
    wait: Wait = 0,
) -> None:
    """Run services in this process, against the servers that the environment names."""
    settings = load_settings()
    _await(settings, wait)
    if workers > 1:
        raise typer.Exit(serve_replicas(units, workers, settings))
    serve(units, settings, topology_of(settings))


def _await(settings: Settings, wait: float) -> None:
    """The broker, and as long as is asked for the topics. Raises DependencyDown, ConfigurationError."""
    if wait:
        _await_topics(settings, wait)
    else:
        _await_broker(settings, _PATIENCE_S)


def _await_broker(settings: Settings, patience_s: float) -> None:
    """Raises DependencyDown: it is not there, which would be waited for for ever; ConfigurationError."""
    from services.runtime.clients.reach import check_kafka

    deadline = time.monotonic() + patience_s
    while True:
        try:
            return check_kafka(settings.kafka)
        except DependencyDown:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_S)


def _await_topics(settings: Settings, patience_s: float) -> None:
    """Until the river has been made: where all of it is started at once, its topics come last.

    Raises ConfigurationError; after `patience_s` it is left to the service to say what it lacks.
    """
    from services.runtime.clients.log import Log
    from services.runtime.clients.reach import admitted
    from services.runtime.topics import AGREED

    deadline = time.monotonic() + patience_s
    admitted(settings.kafka)
    while time.monotonic() < deadline:
        try:
            with Log(settings) as log:
                if AGREED in log.topics():
                    return
        except DependencyDown:
            pass
        time.sleep(_POLL_S)


@app.command()
def topics(
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for Kafka.")] = 0,
) -> None:
    """Make the topics of the river on the configured Kafka; more lanes, new buckets are taken over."""
    from services.runtime import agreement

    settings = load_settings()
    _await_broker(settings, wait)
    agreement.make(settings, topology_of(settings))


@app.command("apply")
def apply_(units: Units) -> None:
    """Units without a broker: lines {"id", "text"} or {"id", "path"} in, a verdict a line out."""
    from services.runtime.apply import apply

    settings = load_settings()
    resources = Resources(settings)

    def open_file(path: str) -> Document:
        return _document_of(path, resources)

    for line in apply(units, sys.stdin, resources, topology_of(settings), open_file):
        sys.stdout.write(line + "\n")


def _document_of(path: str, resources: Resources) -> Document:
    """The first document of a file, as ingest reads it. Raises ValueError when it cannot be read."""
    from services.ingest import SERVICE, IngestConfig

    for read in SERVICE.build(IngestConfig(paths=(path,)), resources)(Recorded()):
        if isinstance(read, Reading):
            continue
        for piece in read.unreadable:
            raise ValueError(piece.error)
        for document in read.documents:
            return document
    raise ValueError(f"{path} holds no document")
