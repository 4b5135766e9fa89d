"""What several commands are told in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.mixer.recipe import bucket_names
from services.runtime import Settings
from services.runtime.topology import Topology

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder given to run or up; default: the configured servers.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", help="Buckets, weights and phases: a YAML file or a preset's name."),
]
Units = Annotated[list[str], typer.Argument(help="Units in the order of the river.")]


def topology_of(settings: Settings) -> Topology:
    """The river's table, with the recipe's buckets. Raises ConfigurationError."""
    return Topology.load(settings.topology, bucket_names(settings.recipe))
