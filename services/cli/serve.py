"""`serve`, `import`, `topics`, `apply`: single processes, against the servers the settings name."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from contracts import Document
from services.cli.exits import EXIT_INTERRUPTED
from services.cli.options import Units, topology_of
from services.runtime import DependencyDown, Reading, Resources, Settings, load_settings
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
    paths: Annotated[list[str], typer.Argument(help="Files and folders of documents.")],
    wait: Wait = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder on which `up` runs; default: the configured servers."),
    ] = None,
) -> None:
    """Read documents into a river that runs; goes on where it was, ends when all is published."""
    with _joined(out) as river:
        _await(river, wait)
        ingest = river.units.get("ingest", {}) | {"paths": tuple(paths)}
        settings = river.model_copy(update={"units": river.units | {"ingest": ingest}})
        if not serve(["ingest"], settings, topology_of(settings)):
            raise typer.Exit(EXIT_INTERRUPTED)


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


def _joined(out: Path | None) -> AbstractContextManager[Settings]:
    """Settings of the river on a folder, or of that which the environment names."""
    if out is None:
        return nullcontext(load_settings())
    from services.local.run import joined

    return joined(out)


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

    for read in SERVICE.build(IngestConfig(paths=(path,)), resources)({}):
        if isinstance(read, Reading):
            continue
        for piece in read.unreadable:
            raise ValueError(piece.error)
        for document in read.documents:
            return document
    raise ValueError(f"{path} holds no document")
