"""`serve`, `import`, `topics`, `apply`: single processes, against the servers the settings name."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from contracts import Document
from services.cli.exits import EXIT_INTERRUPTED
from services.cli.options import Units, topology_of
from services.runtime import Reading, Resources, load_settings
from services.runtime.process.replicas import serve_replicas
from services.runtime.serve import serve

app = typer.Typer()


@app.command("import")
def import_(paths: Annotated[list[str], typer.Argument(help="Files and folders of documents.")]) -> None:
    """Read documents into the configured river; goes on where it was, ends when all is published."""
    settings = load_settings()
    ingest = settings.units.get("ingest", {}) | {"paths": tuple(paths)}
    settings = settings.model_copy(update={"units": settings.units | {"ingest": ingest}})
    if not serve(["ingest"], settings, topology_of(settings)):
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command("serve")
def serve_(
    units: Units,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each with a consumer.")] = 1,
) -> None:
    """Run services in this process, against the servers that the environment names."""
    settings = load_settings()
    if workers > 1:
        raise typer.Exit(serve_replicas(units, workers, settings))
    serve(units, settings, topology_of(settings))


@app.command()
def topics() -> None:
    """Make the topics of the river on the configured Kafka; more lanes, new buckets are taken over."""
    from services.runtime import agreement
    from services.runtime.clients.reach import check_kafka

    settings = load_settings()
    check_kafka(settings.kafka)  # one that is not there would be waited for
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
