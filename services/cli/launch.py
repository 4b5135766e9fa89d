"""`launch`: the control loop that runs the trainer's job on a cluster."""

from __future__ import annotations

import typer

from services.runtime import load_settings

app = typer.Typer()


@app.command()
def launch() -> None:
    """Make, suspend, resume and replace the PyTorchJob or TrainJob of a run, until SIGTERM.

    Settings: CORPUSWORKS_UNITS__LAUNCHER__RUN, __IMAGE, __CONFIG_MAP … (services/launcher/config.py).
    """
    from services.cli.extras import require
    from services.cli.remix import remix
    from services.launcher.launch import launch as run

    require("kubernetes", "launcher")
    run(load_settings(), remix)
