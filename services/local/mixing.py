"""Another mix of what a river has tokenized, in a folder of its own and in this process, without a server.

The lanes are those of the river, one after the other, over a journal (services.runtime.journal) in the place
of Kafka. What is killed goes on with the same command: the journal has whole transactions alone.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from services.ledger import take_account, under_way
from services.local import letters, partitions, reports
from services.local.flushes import archive_flushes, lane_flushes
from services.local.folder import FolderLock, reading, running
from services.local.forget import finish, refuse_half
from services.local.origin import check_origin, keep_origin
from services.local.progress import Progress
from services.local.run import HOLD, Job, applied, environment_of, journaled, reached, told
from services.local.stack import KAFKA_SETTING
from services.local.store import KAFKA, STATE, check, keep_url, url_of
from services.local.usage import Used
from services.runtime import ConfigurationError, Settings, agreement, load_settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.journal import stopped_url, was_stopped
from services.runtime.logs import configure_logs
from services.runtime.loops.lane import LaneLoop
from services.runtime.loops.transaction import Produce, say
from services.runtime.process.collector import settle_collector
from services.runtime.settings import PREFIX
from services.runtime.topology import BUCKET, Service, Topology

_NAME = "mix"
Bring = Callable[[Settings], int]


def mix(job: Job, source: Path, river: str, console: Console, bring: Bring) -> dict[str, Any]:
    """Mix and pack what is brought and what waits; the report, also left as report.json.

    source: the folder of the river whose documents are mixed; river: what it is known by. bring: puts
    documents into the pools, and says how many.
    Raises ConfigurationError.
    """
    begun, spent = time.monotonic(), _Spent()
    with Progress(console) as progress, _journal_on(job, source, river) as given, progress.cut_short():
        settings, topology = agreement.make(given, job.topology)
        spent.by("start")
        settle_collector(lasting=False)  # every service is imported by now
        carried_over = under_way(settings, topology)
        progress.show("bringing over")
        carried_over += bring(settings)
        spent.by("bring")
        with Lanes(settings, topology) as lanes:
            marks = lanes.ends()
            lanes.tell(lane_flushes(str(time.time_ns()), settings))
            for service in (one for one in topology.services.values() if not one.watches):
                progress.show(f"mixing: {service.name}")
                lanes.work(service)
                spent.by(service.name)
            lanes.tell(archive_flushes(str(time.time_ns()), settings, topology))
            for service in (one for one in topology.services.values() if one.watches):
                progress.show(f"archiving: {service.name}")
                lanes.work(service)
                spent.by(service.name)
        progress.show("counting")
        account = take_account(settings, topology, since=marks, at_rest=True)
        letters.keep(job.out, settings, topology)
        spent.by("count")
    seconds = time.monotonic() - begun
    found = told(job, settings, account, carried_over, seconds=seconds, used=spent.used)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found |= {"memory_bytes": {_NAME: most}, "memory_bytes_together": most}
    return reports.keep(job.out, found, job.paths)


@contextmanager
def readable(out: Path) -> Iterator[Mapping[str, str]]:
    """Variables by which the topics of a folder's river can be read, and no more than read.

    Those of a river at rest lie in the files of its Kafka. It is started for the moment where it was killed
    at its last end, since it alone mends them. Several may read at once. Raises ConfigurationError.
    """
    refuse_half(out)
    data = out / STATE / KAFKA / "data"
    with ExitStack() as stack:
        if running(out / STATE) is None and was_stopped(data):
            stack.enter_context(reading(out / STATE))
            yield environment_of(out) | {KAFKA_SETTING: stopped_url(data)}
        else:
            yield stack.enter_context(reached(out))


class Lanes:
    """The lane services of a table, each until it has nothing left to do; a context manager."""

    def __init__(self, settings: Settings, topology: Topology) -> None:
        self._settings = settings
        self._topology = topology
        self._admin = Admin(settings)
        self._log = Log(settings)

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.__exit__()
        self._admin.__exit__()

    def ends(self) -> dict[tuple[str, int], int]:
        """Of all topics: a moment to count from."""
        return self._log.settled_ends(list(self._topology.topics()))

    def tell(self, flushes: list[Produce]) -> None:
        """What asks them to end what they have."""
        if flushes:
            say(self._settings, "flush", flushes)

    def work(self, service: Service) -> None:
        """Until all is done that it was told, and all that came by then. What it does not ask for waits."""
        ends = self._log.settled_ends([topic for topic in service.inputs if BUCKET not in topic])

        def is_done() -> bool:
            committed = self._admin.committed(service.name)
            return all(committed.get(place, 0) >= end for place, end in ends.items())

        LaneLoop(self._settings, self._topology, service, _NAME).run_until(is_done)


class _Spent:
    """CPU time by what it was for."""

    def __init__(self) -> None:
        self.used: dict[str, Used] = {}
        self._before = 0.0

    def by(self, name: str) -> None:
        """Since the last call."""
        now = time.process_time()
        self.used[name], self._before = Used(now - self._before), now


@contextmanager
def _journal_on(job: Job, source: Path, river: str) -> Iterator[Settings]:
    """The folder, held, and the settings of its river."""
    finish(job.out)  # a `--fresh` that was interrupted
    check_origin(job.out, source, river)
    if (job.out / STATE / KAFKA).exists():
        raise ConfigurationError(f"--out {job.out} was mixed by a former version: choose a new folder")
    given = load_settings()
    url = url_of(job.out, given)
    check(url, given)
    apart = partitions.environment(job.out, given, mixed=True)
    lock = FolderLock(job.out / STATE)
    try:
        keep_origin(job.out, source, river)
        keep_url(job.out, url)
        partitions.keep(job.out, apart)
        letters.forget(job.out)
        with _logged(job.out), journaled(job.out) as access:
            lock.publish(access)
            with applied({PREFIX + "STORE_URL": url, **apart, **access, **HOLD}) as settings:
                yield settings
    finally:
        lock.release()


@contextmanager
def _logged(out: Path) -> Iterator[None]:
    """What the lanes say of themselves, beside what the command says."""
    folder = out / STATE / "logs"
    folder.mkdir(exist_ok=True)
    with (folder / f"{_NAME}.log").open("a", encoding="utf-8") as stream:
        configure_logs(_NAME, stream)
        yield
