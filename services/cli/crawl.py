"""`crawl`: what is to be fetched, and how it stands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson, Out

if TYPE_CHECKING:
    from services.ingest.crawl.frontier import Frontier
    from services.ingest.crawl.visit import Visitor

app = typer.Typer(no_args_is_help=True, help="What is fetched from hosts.")

_PIECE = 1000  # URLs of one call
_FOUND = "found "  # begins the names of what became of URLs that were found
# What became of a URL that was added, for a person.
_OUTCOMES = {
    "new": "new",
    "known": "known already",
    "cap": "left out: their hosts are full (max_urls_host)",
    "hosts": "left out: there are as many hosts as max_hosts",
    "full": "left out: there are as many URLs as max_urls",
}

Seeds = Annotated[list[str], typer.Argument(metavar="URL|FILE…", help="URLs, or files with one a line.")]
Host = Annotated[str, typer.Argument(help="As it stands in URLs, with its port where it names one.")]
Pause = Annotated[bool | None, typer.Option("--pause/--resume", help="Leave it be, or go on.")]
Delay = Annotated[float | None, typer.Option("--delay", min=0, help="Seconds between requests.")]
Cap = Annotated[int | None, typer.Option("--max-urls", min=0, help="URLs to be known of it at most.")]


@app.command("add")
def crawl_add(seeds: Seeds, out: Out = None) -> None:
    """Have these fetched, and what their hosts link to; all of them are checked before one is added."""
    from services.ingest.crawl.frontier import spread
    from services.ingest.crawl.service import seeds as read

    with _frontier(out) as (frontier, visitor):
        found: Counter[str] = Counter()
        for piece in spread(read(seeds, visitor), _PIECE):
            found.update(frontier.add(piece))
    print("; ".join(f"{found[outcome]:,} {said}" for outcome, said in _OUTCOMES.items() if outcome in found))
    if set(found) - {"new", "known"}:
        raise typer.Exit(EXIT_WRONG)


@app.command("status")
def crawl_status(out: Out = None, as_json: AsJson = False) -> None:
    """What is known, what is under way, and what came of what was fetched."""
    with _frontier(out) as (frontier, _):
        found = frontier.status()
    if as_json:
        print(json.dumps(found))
        return
    seen = {name: int(number) for name, number in found["seen"].items()}
    urls, hosts, last = seen.pop("urls", 0), seen.pop("hosts", 0), seen.pop("new_ms", 0)
    paused = ", paused" if found["paused"] else ""
    print(f"{urls:,} URLs of {hosts:,} hosts; {found['replicas']} replicas{paused}")
    print(f"hosts: {found['due']:,} due, {found['busy']:,} busy, {found['waiting']:,} wait")
    print(f"{found['under_way']:,} URLs under way, until they are durable")
    if last:
        print(f"last new URL {timedelta(seconds=(int(found['now']) - last) // 1000)} ago")
    _table("fetched", {name: number for name, number in seen.items() if not name.startswith(_FOUND)})
    _table("found", {name.removeprefix(_FOUND): n for name, n in seen.items() if name.startswith(_FOUND)})


@app.command("pause")
def crawl_pause(out: Out = None) -> None:
    """No further URL is fetched, by any replica, until `resume`."""
    with _frontier(out) as (frontier, _):
        frontier.pause(True)
    print("paused; what is under way is finished")


@app.command("resume")
def crawl_resume(out: Out = None) -> None:
    """Go on after `pause`."""
    with _frontier(out) as (frontier, _):
        frontier.pause(False)
    print("goes on")


@app.command("host")
def crawl_host(
    name: Host,
    *,
    pause: Pause = None,
    delay: Delay = None,
    cap: Cap = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """How one host stands, after what is asked for here."""
    told: dict[str, str] = {}
    if pause is not None:
        told["paused"] = "1" if pause else ""
    if delay is not None:
        told["own"] = str(int(delay * 1000))
    if cap is not None:
        told["cap"] = str(cap)
    with _frontier(out) as (frontier, _):
        found = frontier.host(name.lower(), told)
    if found is None:
        fail(f"{name} is not known: `corpusworks crawl add http://{name}/` makes it so", EXIT_WRONG)
    print(json.dumps(found) if as_json else _host(name, found))


def _table(title: str, rows: dict[str, int]) -> None:
    most_first = sorted(rows.items(), key=lambda row: -row[1])
    if rows:
        print(f"{title}: " + ", ".join(f"{name} {number:,}" for name, number in most_first))


def _host(name: str, found: dict[str, Any]) -> str:
    delay = found.get("own") or found.get("delay")
    known, ready, later = (int(found.get(key, 0)) for key in ("n", "ready", "waiting"))
    said = [
        f"{name}: {known:,} URLs known, {ready:,} to be fetched, {later:,} later",
        f"a request every {int(delay) / 1000:g} s" if delay else "the usual pause between requests",
        "paused" if found.get("paused") else "busy now" if found.get("busy") else "",
        f"{found['down']} connections in a row failed" if found.get("down") else "",
        f"at most {int(found['cap']):,} URLs" if found.get("cap") else "",
    ]
    return "; ".join(filter(None, said))


@contextmanager
def _frontier(out: Any) -> Iterator[tuple[Frontier, Visitor]]:
    """That of the river of a folder, or of the configured servers.

    Raises ConfigurationError, DependencyDown.
    """
    from services.cli.extras import require
    from services.ingest.crawl.config import CrawlConfig
    from services.ingest.crawl.frontier import Frontier
    from services.ingest.crawl.service import visitor_of
    from services.local.run import attached
    from services.runtime import Resources, configure

    require("scrapy", "crawl")
    with attached(out) as settings:
        config = configure("crawl", CrawlConfig, settings.units.get("crawl", {}))
        frontier = Frontier(config, Resources(settings))
        try:
            yield frontier, visitor_of(config)
        finally:
            frontier.close()
