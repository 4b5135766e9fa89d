"""`mix`: another recipe over what a river has tokenized already, into a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.run import end, job_of, show
from services.runtime import ConfigurationError, Settings, load_settings
from services.runtime.topics import CONTROL, POOL
from services.runtime.topology import BUCKET

if TYPE_CHECKING:
    from services.cli.carry import Carried

app = typer.Typer()


@app.command()
def mix(
    source: Annotated[Path, typer.Option("--from", help="Folder of the river whose documents are mixed.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the new parts, report and state.")],
    recipe: Annotated[str, typer.Option("--recipe", help="A YAML file or a preset's name.")],
) -> None:
    """Mix and pack again what is tokenized, by another recipe; nothing is read, judged or tokenized anew.

    The same call again brings over what the other river has got since, and goes on where one was interrupted.
    """
    from rich.console import Console

    from services.cli.carry import carry, check
    from services.local.mixing import mix as mix_again
    from services.local.mixing import readable
    from services.local.run import applied
    from services.mixer.recipe import Recipe
    from services.runtime.clients.log import Log

    _check(source, out)
    job = job_of([], out, recipe)
    wanted = Recipe.load(load_settings().recipe)
    check(wanted)
    job = replace(job, topology=job.topology.behind(POOL + BUCKET))
    console = Console()
    with ExitStack() as other:
        with applied(other.enter_context(readable(source))) as settings, Log(settings) as log:
            river = log.topic_ids().get(CONTROL, "")

        def bring(target: Settings) -> int:
            with other:  # it may be written again then
                done = carry(settings, target, wanted)
            _tell(done)
            return done.documents.total()

        found = mix_again(job, source, river, console, bring)
        show(found, job, console)
        if not found["tokens"] and not found["waiting"]:
            console.print(_all_used(out), style="yellow", soft_wrap=True)
        end(found)


def _all_used(out: Path) -> str:
    return (
        f"Nothing was mixed: all that this recipe takes is in parts of {out} already, as often as it may be. "
        "Choose a new folder for another mix of all of it, or set `max_uses` in the recipe to use it again."
    )


def _check(source: Path, out: Path) -> None:
    """Raises ConfigurationError."""
    from services.local.origin import check_origin, origin

    given = load_settings()
    if out.resolve() == source.resolve():
        raise ConfigurationError(
            f"--out and --from are both {out}: choose a new folder, or change the mix of this one with "
            "`corpusworks recipe apply`"
        )
    if "bootstrap_servers" in given.kafka.model_fields_set:
        raise ConfigurationError(
            "two rivers on one Kafka would share their topics: unset CORPUSWORKS_KAFKA_BOOTSTRAP_SERVERS, so "
            "that each folder has a broker of its own"
        )
    if (first := origin(source)) is not None:
        raise ConfigurationError(f"--from {source} was itself mixed from {first}: give that")
    check_origin(out, source)


def _tell(done: Carried) -> None:
    print(f"{done.documents.total():,} documents brought over{_of(done.documents)}")
    if left := {why: number for why, number in done.left.items() if number}:
        print(f"left behind{_of(left)}")
    if done.withdrawn:
        print(f"{done.withdrawn:,} that have left the other river are mixed no more")


def _of(numbers: Mapping[str, int]) -> str:
    told = ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items()))
    return f": {told}" if told else ""
