"""The main job on one machine: documents in, parts and a report out."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from contracts import Document
from services.ledger import Account, lost_sources, mostly_dead, report, shares, under_way
from services.ledger.report import Targets
from services.ledger.retention import retain
from services.ledger.shares import Expected
from services.local import interrupt, letters, partitions, reports
from services.local.balance import Balance, Stage
from services.local.folder import reading, require_room, running
from services.local.forget import finish, refuse_half
from services.local.needs import need_all_served, need_named, need_partitions, need_servers
from services.local.origin import check_origin, origin
from services.local.progress import Progress
from services.local.river import River, imports, settle
from services.local.servers.triton import DEFAULT_MODELS, refresh
from services.local.stack import KAFKA_SETTING, REDIS_SETTING, STAND_IN, TRITON, TRITON_SETTING, Stack
from services.local.store import JOURNAL, KAFKA, STATE, check, keep_url, url_of
from services.local.usage import Used
from services.local.zygote import Zygote
from services.runtime import ConfigurationError, DependencyDown, Settings, load_settings
from services.runtime.clients.reach import address_of
from services.runtime.journal import closed, journal_url, stopped_url, was_stopped
from services.runtime.settings import NO_REDIS, PREFIX, STOPPED_REDIS
from services.runtime.topics import RAW
from services.runtime.topology import Topology
from services.runtime.wrong import meant_path

JUDGES = ("classifier", "scorer")
_TICK_S, _FIRST_TICK_S = 0.5, 0.05
_RETAIN_EVERY_S = 3600.0
# A run has an end: nothing is mixed before it, so that a better duplicate is never too late.
HOLD = {PREFIX + "UNITS__MIXER__HOLD": "true"}


@dataclass(frozen=True)
class Job:
    """What a run is asked for.

    out: the state folder; targets: share of tokens by phase and bucket, of a recipe; expected: share of
    documents that the scorer keeps, by language, format and category; workers: processes of each stage that
    can be shared, None: as the work asks for; begin_by: the text of the recipe that a river begins by where
    no other is chosen.
    """

    paths: Sequence[str]
    out: Path
    topology: Topology
    targets: Callable[[str | Path | None], Targets]
    expected: Expected = lambda *_: 1.0
    workers: int | None = None
    begin_by: str | None = None


def environment_of(out: Path) -> dict[str, str]:
    """Settings that make `out` the home of a river. Raises ConfigurationError."""
    settings = load_settings()
    return {PREFIX + "STORE_URL": url_of(out, settings), **partitions.environment(out, settings)}


@contextmanager
def applied(environment: Mapping[str, str]) -> Iterator[Settings]:
    """These variables in this process, and the settings that follow from them."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield load_settings()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def attached(out: Path | None) -> Iterator[Settings]:
    """Settings to reach the servers of a state folder, started for the moment if they do not run.

    Where nobody runs and the folder cannot be written, what its Kafka has left can be read and no more.
    None: the servers that the environment names. Raises ConfigurationError.
    """
    if out is None:
        yield load_settings()
        return
    with reached(out) as environment, applied(environment) as settings:
        yield settings


@contextmanager
def reached(out: Path) -> Iterator[Mapping[str, str]]:
    """The same as variables, which are not set."""
    refuse_half(out)
    if not (out / STATE).is_dir():
        raise ConfigurationError(
            f"{out} holds no river: give the folder that `run` or `up` was given as --out"
            + ("" if out.is_dir() else meant_path(out))
        )
    environment = running(out / STATE)
    if environment is not None:
        yield environment_of(out) | environment
        return
    if without_servers(out):
        with journaled(out) as access:
            yield {**environment_of(out), **access}
        return
    data = out / STATE / KAFKA / "data"
    if not os.access(out / STATE, os.W_OK) and was_stopped(data):  # to be read, as it lies there
        with reading(out / STATE):
            yield environment_of(out) | {KAFKA_SETTING: stopped_url(data), REDIS_SETTING: STOPPED_REDIS}
        return
    with Stack(out / STATE) as stack:
        yield environment_of(out) | stack.environment


def without_servers(out: Path) -> bool:
    """Whether its river has a journal, also where that was lost: a Kafka in its place would know nothing."""
    if (out / STATE / JOURNAL).exists():
        return True
    return origin(out) is not None and not (out / STATE / KAFKA).exists()


@contextmanager
def journaled(out: Path) -> Iterator[Mapping[str, str]]:
    """Variables of a river whose log is a journal in its folder, which is let go of at the end."""
    address = journal_url(out / STATE / JOURNAL)
    with closed(address):
        yield {KAFKA_SETTING: address, REDIS_SETTING: NO_REDIS}


@contextmanager
def shown(job: Job, console: Console) -> Iterator[tuple[Progress, Zygote]]:
    """What shows how a job goes on, and who forks its services: begun here, while there is no thread."""
    zygote = Zygote(imports(job.topology))
    try:
        zygote.begin()
        with Progress(console) as progress:
            yield progress, zygote
    finally:
        zygote.close()


@contextmanager
def river_on(
    job: Job, progress: Progress, zygote: Zygote | None = None, **settings_too: str
) -> Iterator[tuple[River, Settings]]:
    """Servers and every service, running; stopped at the end. settings_too: for the processes.

    progress: told of what it waits for where it is to end before its time.
    """
    finish(job.out)  # a `--fresh` that was interrupted
    check_origin(job.out, None)
    given = load_settings()
    need_all_served(job.topology, given)
    need_named(job.topology, given)
    url = url_of(job.out, given)
    check(url, given)
    apart = partitions.environment(job.out, given)
    need_partitions(job.workers, partitions.number(apart, given), job.out)
    models = repositories(given, job.topology)
    need_servers(given, models)

    def define() -> None:  # imports every service, which takes as long as half of Kafka's start
        with interrupt.later():
            for service in job.topology.services.values():
                _ = service.definition if service.run else None

    stack = Stack(job.out / STATE, given, models=models, zygote=zygote, meanwhile=define)
    progress.ending = stack.supervisor.ending
    with stack, progress.cut_short():
        if stack.stand_in:
            progress.say(f"The judges run inside the services: {stack.stand_in}")
        keep_url(job.out, url)
        partitions.keep(job.out, apart)
        letters.forget(job.out)
        environment = {PREFIX + "STORE_URL": url} | apart | stack.environment | settings_too
        with (
            applied(environment) as settings,
            River(stack.supervisor, environment, settings, job.topology, job.out / STATE / "logs") as river,
        ):
            river.prepare(job.paths)
            river.create_topics(job.begin_by)
            stack.wait_for_judges()
            try:
                yield river, settings
            except DependencyDown:
                require_room(job.out)  # which is why, then
                raise


def repositories(settings: Settings, topology: Topology) -> list[Path]:
    """Where the models lie of the services that judge and do not run them themselves."""
    found = [settings.units.get(name, {}) for name in JUDGES if name in topology.services]
    return [Path(unit.get("models") or DEFAULT_MODELS) for unit in found if not unit.get("triton_url")]


def refresh_judges(out: Path) -> dict[str, int]:
    """Switch the river that runs on `out` to the newest versions in its model folders; version by model.

    Raises ConfigurationError: nothing runs there, no Triton of its own, a version that does not load (the
    former one goes on); DependencyDown.
    """
    environment = running(out / STATE)
    if environment is None:
        raise ConfigurationError(f"nothing runs on {out}: the next `run` or `up` takes the newest versions")
    url = environment.get(TRITON_SETTING)
    if url is None or url == STAND_IN:
        where = "inside the services" if url else "on a server of your own"
        raise ConfigurationError(f"the judges of {out} run {where}: switch them there, or start it again")
    return refresh(out / STATE / TRITON, url)


Bring = Callable[[Settings], None]
Show = Callable[[dict[str, Any]], None]


def run(job: Job, console: Console, show: Show, bring: Bring | None = None) -> dict[str, Any]:
    """Process the paths until everything has settled; the report, also left as report.json.

    What an earlier run left under way is finished too. show: is given the report while the servers end.
    bring: puts documents into the topics before anything runs. Raises ConfigurationError, ProcessFailed.
    """
    begun = time.monotonic()
    with (
        shown(job, console) as (progress, zygote),
        river_on(job, progress, zygote, **HOLD) as (river, settings),
    ):
        if bring is not None:
            progress.show("bringing over")
            bring(settings)
            progress.show("starting")
        marks = river.marks()
        any_came = any(end for (topic, _), end in marks.items() if job.topology.holds(topic) is Document)
        carried_over = under_way(settings, job.topology) if any_came else 0
        river.start()
        settled = settle(river, river.reading, str(time.time_ns()), last=True)
        _watch(river, settled, progress, balanced(river, job, settings))
        progress.show("counting")
        river.stop()
        account = river.account(marks)
        if any(end for (topic, _), end in marks.items() if topic == RAW):  # what came in just now is young
            retain(settings, job.topology)
        letters.keep(job.out, settings, job.topology)
        used, most_bytes = river.used(), river.most_bytes
        progress.show("stopping")
        river.end()
        seconds = time.monotonic() - begun
        found = told(job, river.settings, account, carried_over, seconds=seconds, used=used)
        found["memory_bytes_together"] = most_bytes
        found = reports.keep(job.out, found, job.paths)
        progress.clear()
        show(found)
    return found


def told(
    job: Job,
    settings: Settings,
    account: Account,
    carried_over: int,
    *,
    seconds: float,
    used: Mapping[str, Used],
) -> dict[str, Any]:
    """What is reported of a run. settings: with the recipe in force; used: by stage."""
    bound = settings.dead_letter_share
    lost = lost_sources(account.files, job.paths)
    sick = mostly_dead(account.files, bound, lost)
    cpu = {name: each.cpu_seconds for name, each in used.items()}
    found = report(account, carried_over, job.targets(settings.recipe), seconds, cpu, lost=lost, sick=sick)
    found["memory_bytes"] = {name: each.peak_bytes for name, each in used.items()}
    found["too_many_dead"] = found["dead_letters"] > bound * found["documents_in"]
    found["dead_letters_by_reason"] = letters.reasons(job.out)
    found["shares"] = [share.row for share in shares(account, job.expected)]
    return found


class Companion(Protocol):
    """What runs beside a river."""

    def said(self) -> str:
        """What it does, in a few words. Raises CorpusworksError when it cannot go on."""


Beside = Callable[[Settings], AbstractContextManager[Companion]]


def up(
    job: Job,
    console: Console,
    beside: Beside | None = None,
    doors: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Keep the river running until Ctrl-C. Raises ConfigurationError, ProcessFailed.

    beside: what is begun when the river runs, and ended before it. doors: by name of those to be opened,
    settings that are theirs alone.
    """
    with (
        shown(job, console) as (progress, zygote),
        river_on(job, progress, zygote) as (river, settings),
        ExitStack() as stack,
    ):
        river.start()
        for door, environment in (doors or {}).items():
            river.open(door, environment)
        companion = stack.enter_context(beside(settings)) if beside else None
        kafka, redis_address = settings.kafka.bootstrap_servers, address_of(settings.redis.url)
        own = job.out.absolute().as_uri()
        where = job.out if settings.store_url == own else settings.store_url
        triton = f"  Triton {settings.triton_url}" if repositories(settings, job.topology) else ""
        console.print(f"Kafka {kafka}  Redis {redis_address}{triton}  parts in {where}")
        console.print(f"In: corpusworks import PATH… --out {shlex.quote(str(job.out))}", soft_wrap=True)
        console.print("Ctrl-C stops it; the same command goes on from there.")
        balance = balanced(river, job, settings)
        due = 0.0
        while True:
            river.check()
            if time.monotonic() >= due:
                due = time.monotonic() + _RETAIN_EVERY_S
                river.retain()
            doing = [_doing(river), *([companion.said()] if companion else [])]
            stages = list(river.stages())
            progress.show(_and_troubles("; ".join(doing), river), stages)
            balance(stages)
            time.sleep(_TICK_S)


def balanced(river: River, job: Job, settings: Settings) -> Callable[[Sequence[Stage]], None]:
    """To be called with the stages every now and then: gives them processes, as the job says."""
    if job.workers is None:
        return Balance(river, river.divisible, settings.partitions).look
    for name in river.divisible:
        river.resize(name, job.workers)
    return lambda _: None


def _doing(river: River) -> str:
    """What `up` says of itself: that the mix waits, and for what, or that all is well."""
    dry = river.dry_buckets()
    return f"the mix waits for documents of {', '.join(dry)}" if dry else "running"


def _watch(
    river: River,
    waiting: Iterator[str],
    progress: Progress,
    balance: Callable[[Sequence[Stage]], None],
) -> None:
    former, since = "", 0.0
    for doing in waiting:
        if doing != former:
            former, since = doing, time.monotonic()
        stages = list(river.stages())
        progress.show(_and_troubles(doing, river), stages)
        balance(stages)
        # What is done in a moment is seen in a moment: of three documents each step takes less than a tick.
        time.sleep(min(_TICK_S, _FIRST_TICK_S + (time.monotonic() - since) / 20))


def _and_troubles(doing: str, river: River) -> str:
    """And who waits for what, since nothing moves until a person has seen to it, and who takes long."""
    return "; ".join([doing, *(f"{name} {why}" for name, why in river.troubles().items())])
