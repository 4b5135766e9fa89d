"""`judge`: the trainer's commands, and the one that asks a running river."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.bert.commands import app

__all__ = ["app"]


@app.command()
def refresh(
    out: Annotated[Path, typer.Option(help="the folder of the river that runs")],
) -> None:
    """Switch a running river to the newest versions in its model folders, without a pause."""
    from services.local.run import refresh_judges

    for model, version in refresh_judges(out).items():
        print(f"{model}: version {version}")
