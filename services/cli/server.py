"""`server`: one server of the stack by itself, as the chart's try-out mode runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.runtime import ConfigurationError

app = typer.Typer()


@app.command()
def server(
    name: Annotated[str, typer.Argument(help="kafka, redis, s3proxy or triton.")],
    folder: Annotated[Path, typer.Option(help="For its data.")],
    host: Annotated[str, typer.Option(help="The name by which clients reach it.")] = "localhost",
    password_file: Annotated[Path | None, typer.Option(help="What clients log in with.")] = None,
    models: Annotated[Path | None, typer.Option(help="Triton's model repository.")] = None,
) -> None:
    """Run one server in the foreground, on all addresses: Kafka, Valkey, S3 or Triton, each a single node.

    For containers, to try things out: nothing is replicated, and nothing is encrypted.
    """
    from services.local.servers.alone import become

    try:
        password = password_file.read_text().strip() if password_file else ""
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the password in {password_file} cannot be read: {error}") from error
    become(name, folder, host, password, models)
