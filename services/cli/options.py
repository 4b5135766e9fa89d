"""What several commands are told in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.mixer.recipe import bucket_names
from services.runtime import ConfigurationError, Settings
from services.runtime.keep import kept
from services.runtime.topology import Topology

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder given to run or up; default: the configured servers.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", help="Buckets, weights and phases: a YAML file or a preset's name."),
]
Workers = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="auto|N",
        help="Processes of each stage that parses, filters, judges or deduplicates; "
        "auto: the machine's cores, by where the work is.",
    ),
]
Units = Annotated[list[str], typer.Argument(help="Units in the order of the river.")]


def topology_of(settings: Settings) -> Topology:
    """The river's table, with the recipe's buckets; `keep` fits it. Raises ConfigurationError."""
    found = Topology.load(settings.topology, bucket_names(settings.recipe))
    kept(found.topics(), settings.keep)
    return found


def workers_of(told: str) -> int | None:
    """What --workers says; None for auto. Raises ConfigurationError."""
    if told == "auto":
        return None
    if told.isdecimal() and int(told) > 0:
        return int(told)
    raise ConfigurationError(f"--workers {told}: give auto, or how many processes each stage shall have")
