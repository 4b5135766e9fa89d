"""`run`, `up`: the whole river on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.exits import EXIT_WRONG
from services.cli.given import given, is_of_river
from services.cli.options import RecipeName, Workers, topology_of, workers_of
from services.mixer.presets import lasting
from services.mixer.recipe import Recipe
from services.runtime import ConfigurationError, configure, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from services.local.run import Bring, Job

app = typer.Typer()


@app.command()
def run(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files and folders of documents; without any, what waits in OUT goes on."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder for parts, report and state.")],
    recipe: RecipeName = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what OUT holds from earlier runs.")] = False,
    workers: Workers = "auto",
) -> None:
    """Documents in, packed parts out, on this machine; what is in OUT already is not done again."""
    from services.local.forget import forget as forget_all
    from services.local.store import STATE

    if not paths and (fresh or not (out / STATE).is_dir()):
        raise ConfigurationError(
            f"nothing waits in {out}: say which documents, as in: corpusworks run ~/papers --out …"
        )
    job = job_of(
        paths or [], out, recipe, workers_of(workers)
    )  # a mistake in it must not cost what OUT holds
    if fresh:
        forget_all(out, job.topology)
    run_through(job)


def run_through(job: Job, bring: Bring | None = None) -> None:
    """A run with its report on the screen and in the folder; exit code 1 where documents are wrong.

    bring: see services.local.run.run.
    """
    from rich.console import Console

    from services.local.run import run as run_job

    console = Console()
    found = run_job(job, console, lambda found: show(found, job, console), bring)
    end(found)


def show(found: dict[str, Any], job: Job, console: Console) -> None:
    """The report of a run, and the page beside it."""
    from services.cli.report.command import write_page
    from services.local.screen import show_report

    show_report(found, job.out, console)
    write_page(job.out, console)


def end(found: dict[str, Any]) -> None:
    """Exit code 1 where a report tells of documents that are wrong."""
    if found["unaccounted"] or found["num_lost_sources"] or found["mostly_dead"] or found["too_many_dead"]:
        raise typer.Exit(EXIT_WRONG)


@app.command()
def up(
    out: Annotated[Path, typer.Option("--out", help="Folder for parts and state.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Files and folders to begin with.")] = None,
    recipe: RecipeName = None,
    workers: Workers = "auto",
    *,
    train: Annotated[
        str | None,
        typer.Option(
            "--train", metavar="CONFIG", help="Train on the parts meanwhile, by this configuration."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the river, or over the configuration of --train; repeatable.",
        ),
    ] = None,
    upload: Annotated[
        int | None,
        typer.Option("--upload", metavar="PORT", min=1, max=65_535, help="Take documents over HTTP there."),
    ] = None,
    crawl: Annotated[
        list[str] | None,
        typer.Option("--crawl", metavar="URL|FILE", help="Fetch from hosts, beginning with these URLs."),
    ] = None,
) -> None:
    """Keep a river running on this machine until Ctrl-C; with --train, a trainer beside it."""
    from rich.console import Console

    from services.local.run import up as keep_up

    told = overrides or []
    of_river = [pair for pair in told if train is None or is_of_river(pair)]
    with given(of_river):
        job = job_of(paths or [], out, recipe, workers_of(workers))
        doors = {} if upload is None else {"upload": _upload(out, upload)}
        if crawl:
            doors["crawl"] = _crawl(crawl)
            if load_settings().recipe is None:
                job = replace(job, begin_by=_going_on())
        if train is None:
            keep_up(job, Console(), doors=doors)
            return
        from services.cli.training import beside
        from services.local.store import STATE, url_of

        log = out / STATE / "logs" / "trainer.log"
        of_trainer = [pair for pair in told if pair not in of_river]
        keep_up(job, Console(), beside(train, of_trainer, url_of(out), log), doors)


def _crawl(seeds: list[str]) -> dict[str, str]:
    """Settings of a crawl service that begins with these; they are checked before anything is started."""
    from services.cli.extras import require
    from services.ingest.crawl.config import CrawlConfig
    from services.ingest.crawl.service import seeds as read
    from services.ingest.crawl.service import visitor_of

    require("scrapy", "crawl")
    visitor = visitor_of(configure("crawl", CrawlConfig, load_settings().units.get("crawl", {})))
    read(seeds, visitor)
    told = [seed if "://" in seed else str(Path(seed).absolute()) for seed in seeds]
    return {"CORPUSWORKS_UNITS__CRAWL__SEEDS": ",".join(told)}


def _going_on() -> str:
    """The default recipe for a river of what hosts have, which nobody knows: it would wait for code, say, for
    ever. It is told on the screen.
    """
    relaxed = Recipe.load().relaxed()
    after = f"was dry for {relaxed.relax_after_s:g} s"
    print(f"No recipe: a river that begins now takes the default and mixes on without a bucket that {after}.")
    return relaxed.text


def _upload(out: Path, port: int) -> dict[str, str]:
    """Settings of an upload service for this user, with a key of their own, which is printed."""
    from services.cli.extras import require
    from services.ingest.upload.keys import KEYS, own_key
    from services.local.store import STATE

    require("fastapi", "upload")
    folder = out / STATE / "upload"
    key = own_key(folder)
    url = f"http://127.0.0.1:{port}"
    print(f"In: curl -H 'Authorization: Bearer {key}' --data-binary @FILE '{url}/files?name=FILE'")
    print(f"{url}/docs says what else there is; the key is in {folder}")
    settings = {"KEYS": str((folder / KEYS).absolute()), "PORT": str(port)}
    return {f"CORPUSWORKS_UNITS__UPLOAD__{name}": value for name, value in settings.items()}


def job_of(paths: Sequence[str], out: Path, recipe: str | None, workers: int | None = None) -> Job:
    """What a run is asked for; the recipe goes into the environment. Raises ConfigurationError."""
    from services.ingest import IngestConfig
    from services.ingest.walk import check, check_remote
    from services.local.run import Job
    from services.scorer import ScorerConfig, chosen, share_of

    check(paths)
    if recipe is not None:
        import os

        os.environ["CORPUSWORKS_RECIPE"] = lasting(recipe)
    settings = load_settings()
    if paths:  # a server that does not answer would be waited for, and a wrong name too
        check_remote(
            configure("ingest", IngestConfig, settings.units.get("ingest", {}) | {"paths": tuple(paths)})
        )
    targets(settings.recipe)  # raises while nothing has been started, as what follows does
    scorer = configure("scorer", ScorerConfig, settings.units.get("scorer", {}))
    chosen(scorer)
    expected = partial(share_of, scorer.keep)
    return Job(
        [p if "://" in p else str(Path(p).absolute()) for p in paths],
        out,
        topology_of(settings),
        targets,
        expected,
        workers=workers,
    )


def targets(recipe: str | Path | None) -> dict[str, dict[str, float]]:
    """By phase the share of tokens of each bucket that there is, of a recipe that `Recipe.load` takes."""
    read = Recipe.load(recipe)
    return {phase.name: dict.fromkeys(read.buckets, 0.0) | phase.shares for phase in read.phases}
