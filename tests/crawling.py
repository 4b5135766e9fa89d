"""A made web and replicas of the crawler on it, with everything that was asked for and all that came out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from contracts import Document
from services.ingest.crawl.config import CrawlConfig
from services.ingest.crawl.frontier import Frontier
from services.ingest.crawl.service import visitor_of
from services.local.stack import Stack
from services.runtime import Resources, configure
from tests.integration.rig import Rig, rig
from tests.made_web import Web

ROOT = Path(__file__).parents[1]
NAME = "crawl"
PREFIX = "CORPUSWORKS_UNITS__CRAWL__"


class Asked(NamedTuple):
    """A request as the web saw it. came, answered: seconds of one clock."""

    came: float
    answered: float
    host: str
    path: str
    status: int
    conditional: bool


@dataclass
class Crawling:
    """web: what there is. log: what was asked for. river: where replicas run, and what came out."""

    web: Web
    log: Path
    river: Rig
    config: CrawlConfig
    frontier: Frontier
    replicas: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def seed(self) -> None:
        """Every host's first page."""
        visitor = visitor_of(self.config)
        self.frontier.add([visitor.seed(url) for url in self.web.seeds])

    def start(self, number: int) -> None:
        """A replica; it takes the name of the one that had its number."""
        self.replicas[number] = self.river.serve(self.river.name, instance=str(number))

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self.river.kill(self.replicas.pop(number))

    def stop(self) -> list[int]:
        """SIGTERM to all; their exit codes."""
        for process in self.replicas.values():
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for process in self.replicas.values()]
        self.replicas.clear()
        return codes

    def asked(self) -> list[Asked]:
        """Every request so far."""
        found = []
        for line in self.log.read_text().splitlines():
            came, answered, host, path, status, conditional = line.split()
            found.append(Asked(float(came), float(answered), host, path, int(status), conditional == "c"))
        return found

    def num_asked(self) -> int:
        """How many they are; of a long log a fraction of the time of reading it."""
        with self.log.open("rb") as log:
            return sum(block.count(b"\n") for block in iter(partial(log.read, 1 << 20), b""))

    def documents(self) -> list[Document]:
        """What is in the river."""
        return self.river.documents()

    def round(self, number: int) -> None:
        """From here on, what changes is as in this round."""
        url = f"http://{self.web.address(0)}:{self.web.port}/control/round/{number}"
        urllib.request.urlopen(url, timeout=5).read()


def ended(made: Crawling, timeout_s: float, rest_s: float = 0.0) -> None:
    """Until nothing is due or under way and no host waits for less than a minute. Raises TimeoutError."""
    deadline, since = time.monotonic() + timeout_s, None
    while True:
        found = made.frontier.status()
        if found["replicas"] and not (found["under_way"] or found["busy"] or found["soon"]):
            since = since or time.monotonic()
            if time.monotonic() - since >= rest_s:
                return
        else:
            since = None
        for number, process in made.replicas.items():
            if process.poll() is not None:
                said = made.river.log(instance=str(number))[-2000:]
                raise RuntimeError(f"a replica ended with {process.returncode}:\n{said}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {found}")
        time.sleep(0.2)


def complete(made: Crawling, timeout_s: float, rest_s: float) -> list[Document]:
    """What is in the river once all that is expected is, and nothing is under way. Raises TimeoutError.

    A host that failed may rest for longer than a crawl takes that seems to have ended.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        ended(made, deadline - time.monotonic(), rest_s)
        documents = made.documents()
        lost = made.web.expected - {document.metadata["url"] for document in documents}
        if not lost:
            return documents
        if time.monotonic() > deadline:
            read = visitor_of(made.config).urls.read
            states = {url: made.frontier.known(read(url)) for url in sorted(lost)}
            raise TimeoutError(f"{len(lost)} pages never came: {states}; {made.frontier.status()}")
        time.sleep(5)


def too_close(asked: list[Asked], delay_s: float) -> list[tuple[Asked, Asked]]:
    """Requests to one host that began before the former was answered, or within the pause after it."""
    by_host: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        by_host[one.host].append(one)
    return [
        (before, after)
        for found in by_host.values()
        for before, after in zip(found, sorted(found)[1:], strict=False)
        if after.came - before.answered < delay_s
    ]


@contextlib.contextmanager
def serving(web: Web, folder: Path, slow_s: float = 0.0) -> Iterator[Path]:
    """The web, in a process of its own; its log."""
    log = folder / "web.log"
    command = [
        sys.executable,
        "-m",
        "tests.made_web",
        "--hosts",
        str(web.num_hosts),
        "--pages",
        str(web.num_pages),
    ]
    command += [
        "--port",
        str(web.port),
        "--log",
        str(log),
        "--slow",
        str(slow_s),
        *(["--plain"] if web.plain else []),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert server.stdout
        assert server.stdout.readline() == b"ready\n"
        yield log
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def crawling(
    stack: Stack, folder: Path, web: Web, slow_s: float = 0.0, **settings: Any
) -> Iterator[Crawling]:
    """The web and the means to crawl it; replicas are the test's to start, and ended here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text(web.hosts_file)
    told = {
        "hosts_file": str(folder / "hosts"),
        "allow_addresses": ["127.0.0.0/16"],
        "ports": [web.port],
        "max_urls_host": 6 * web.num_pages + 30,
        "max_page_bytes": 2 << 20,
        "retry_s": 0.5,
        "timeout_s": 5,
        "batch_s": 1.0,
        "lease_s": 10,
        **settings,
    }
    more = {
        **{PREFIX + n.upper(): v if isinstance(v, str) else json.dumps(v) for n, v in told.items()},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "proto"), os.environ.get("PYTHONPATH", "")]),
    }
    table = {NAME: {"run": "services.ingest.crawl:SERVICE", "output": f"{NAME}.out"}}
    topics = {"river.tally": {"holds": "Tally", "by": "partitions"}}
    with serving(web, folder, slow_s) as log, rig(stack, folder, NAME, table, topics, **more) as river:
        config = configure("crawl", CrawlConfig, river.settings.units["crawl"])
        frontier = Frontier(config, Resources(river.settings))
        made = Crawling(web, log, river, config, frontier)
        try:
            yield made
        finally:
            frontier.close()
