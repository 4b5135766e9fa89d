"""A unit that does nothing, in the real `serve` process, against a bare transactional kafka-python loop.

The same broker, topic, clients and batches, one after the other and again (A B A B), each in a process of
its own. The rate is that of the group's committed offsets, from the first commit on, so that starting
does not count.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import yaml

from contracts import Document
from services.local.child import tail
from services.local.run import applied
from services.local.stack import Stack
from services.runtime import Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.kafka import producer
from services.runtime.topology import Topology
from tests.benchmarks.corpus import documents
from tests.benchmarks.figures import Figure

SIZES = {"5 kB": (5000, 40_000), "0.6 kB": (600, 80_000)}  # bytes of text, number of documents
ROUNDS = 5
TARGET = 0.8
TIME_LIMIT_S = 120.0
_TICK_S = 0.05


@dataclass(frozen=True)
class Pace:
    """Documents a second by the clock; microseconds of CPU a document, of the loop and of the broker."""

    rate: float
    loop_us: float
    broker_us: float


def run() -> Iterator[Figure]:
    """For two sizes of document: both rates, both costs, and the ratio."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "topology.yaml"
        table.write_text(yaml.safe_dump(_table()))
        given = {"CORPUSWORKS_TOPOLOGY": str(table), "CORPUSWORKS_STORE_URL": (folder / "store").as_uri()}
        given["CORPUSWORKS_INSTANCE"] = "0"
        with applied(given), Stack(folder / "state") as stack, applied(stack.environment) as settings:
            with Admin(settings) as admin:
                admin.create_topics(Topology.load(table, ()).topics().values())
            for size in SIZES:
                yield from _compare(stack, settings, folder, size)


def _compare(stack: Stack, settings: Settings, folder: Path, size: str) -> Iterator[Figure]:
    num_bytes, number = SIZES[size]
    source = f"in.{num_bytes}"
    _fill(settings, source, num_bytes, number)
    ours, bare = [], []
    for turn in range(ROUNDS):
        echo, loop = f"echo-{num_bytes}-{turn}", f"bare-{num_bytes}-{turn}"
        serve = ["services.cli", "serve", echo]
        ours.append(_pace(stack, settings, folder / f"{echo}.log", serve, echo, number))
        rival = ["tests.benchmarks.bare_loop", loop, source, f"out.{num_bytes}"]
        bare.append(_pace(stack, settings, folder / f"{loop}.log", rival, loop, number))
    for name, paces in (("no-op unit", ours), ("bare loop", bare)):
        rate = statistics.median(pace.rate for pace in paces)
        yield Figure(f"runtime: {name}, {size}", rate, "documents/s")
        for part in ("loop", "broker"):
            us = statistics.median(getattr(pace, f"{part}_us") for pace in paces)
            what = "process and worker" if name == "no-op unit" else "process"
            yield Figure(
                f"runtime: {name}, {size}, {what if part == 'loop' else 'broker'}", us, "us CPU a document"
            )
    ratio = statistics.median(a.rate / b.rate for a, b in zip(ours, bare, strict=True))
    yield Figure(
        f"runtime: no-op unit against bare loop, {size}", ratio, "x", f">= {TARGET}", ratio >= TARGET
    )


def _table() -> dict[str, object]:
    services = {
        f"echo-{num_bytes}-{turn}": {
            "run": "tests.units:ECHO",
            "input": f"in.{num_bytes}",
            "output": f"out.{num_bytes}",
        }
        for num_bytes, _ in SIZES.values()
        for turn in range(ROUNDS)
    }
    topics = [f"{way}.{num_bytes}" for num_bytes, _ in SIZES.values() for way in ("in", "out")]
    return {
        "services": services,
        "topics": {name: {"holds": "Document", "by": "partitions"} for name in topics},
    }


def _fill(settings: Settings, topic: str, num_bytes: int, number: int) -> None:
    """Without transactions, whose markers would take offsets."""
    texts = "".join(row["text"] for row in documents(600)).encode()
    values = [
        Document(
            id=f"document-{at}",
            uid=at,
            source="file:///corpus.jsonl",
            text=texts[at * 1000 : at * 1000 + num_bytes].decode(errors="ignore"),
        ).SerializeToString()
        for at in range(1000)
    ]
    filler = producer(settings, None)
    for at, value in enumerate(islice(cycle(values), number)):
        filler.send(topic, value, partition=at % settings.partitions)
    filler.flush()
    filler.close()


def _pace(
    stack: Stack, settings: Settings, log: Path, module: Sequence[str], group: str, number: int
) -> Pace:
    """Run one loop until it has committed everything."""
    assert stack.kafka is not None
    assert stack.kafka.pid is not None
    broker = psutil.Process(stack.kafka.pid)
    with log.open("w") as out, Admin(settings) as admin:
        loop = subprocess.Popen(
            [sys.executable, "-m", *module], env=os.environ, stdout=out, stderr=out, start_new_session=True
        )
        try:
            first = last = _sample(admin, group, loop.pid, broker)
            deadline = time.monotonic() + TIME_LIMIT_S
            while last.committed < number:
                if loop.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{group} is at {last.committed} of {number}: {tail(log)}")
                time.sleep(_TICK_S)
                last = _sample(admin, group, loop.pid, broker)
                first = last if not first.committed else first
        finally:
            loop.terminate()
            loop.wait()
    done = last.committed - first.committed
    return Pace(
        done / (last.at - first.at),
        (last.loop - first.loop) / done * 1e6,
        (last.broker - first.broker) / done * 1e6,
    )


@dataclass(frozen=True)
class _Sample:
    """A moment: documents committed, CPU seconds so far."""

    at: float
    committed: int
    loop: float
    broker: float


def _sample(admin: Admin, group: str, pid: int, broker: psutil.Process) -> _Sample:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    spent = sum(_cpu(process) for process in processes)
    return _Sample(time.monotonic(), sum(admin.committed(group).values()), spent, _cpu(broker))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.3f} {figure.unit} {figure.target} {figure.passed or ''}")
