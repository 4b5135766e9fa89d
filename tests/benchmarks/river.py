"""The whole river on the local stack, each unit alone, and datatrove's same steps over the same documents.

Costs are CPU time, start-up apart on both sides; the river's has every process in it, the broker and
Redis included, but no judges (composition.py), whose work the rival does not do. What it spends on
waiting for the next document is part of it too.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from contracts import Document
from services.runtime import Emit, Resources, Unit, load_settings
from services.runtime.contracts.unit import configure
from tests.benchmarks.composition import without_judges
from tests.benchmarks.corpus import Row, documents, num_bytes, write
from tests.benchmarks.figures import Figure
from tests.benchmarks.running import Running, Spent, running
from tests.e2e.home import topology
from tests.servers import RedisServer

ROUNDS, EACH, WARM_UP, SAMPLE = 3, 3200, 30, 180  # documents a round; the rival is slow and takes a sample
TARGET_RATIO = 10


def run() -> Iterator[Figure]:
    """By unit, by process, the whole, the rival; river and rival take turns, the median ratio counts."""
    rows = documents(ROUNDS * EACH + WARM_UP)
    warm_up, rows = rows[:WARM_UP], rows[WARM_UP:]
    yield from units(rows[:EACH])
    ours: list[Spent] = []
    theirs: list[dict[str, float]] = []
    with TemporaryDirectory() as folder, running(Path(folder), warm_up) as river:
        for start in range(0, len(rows), EACH):
            ours.append(river.put(rows[start : start + EACH]))
            theirs.append(datatrove(rows[start : start + SAMPLE]))
        yield from whole(river, ours, rows)
    name = f"datatrove, {SAMPLE} of each {EACH}"
    for stage in theirs[0]:
        mean = statistics.mean(found[stage] for found in theirs)
        yield Figure(f"{name}: {stage}", 1000 * mean, "ms CPU a document")
    mean = statistics.mean(sum(found.values()) for found in theirs)
    yield Figure(f"{name}: all", 1000 * mean, "ms CPU a document")
    ratio = statistics.median(
        sum(rival.values()) * EACH / spent.total for spent, rival in zip(ours, theirs, strict=True)
    )
    yield Figure(
        "river against datatrove, documents a CPU second",
        ratio,
        "x",
        f">= {TARGET_RATIO}",
        ratio >= TARGET_RATIO,
    )


def whole(river: Running, rounds: Sequence[Spent], rows: Sequence[Row]) -> Iterator[Figure]:
    """What the river cost: CPU by process, by the clock, and apart from it starting and idling."""
    number, size = len(rows), num_bytes(rows)
    total, wall_s = sum(spent.total for spent in rounds), sum(spent.wall_s for spent in rounds)
    yield Figure("river: start of all processes", sum(river.start.values()), "s CPU")
    yield Figure("river: idling", 100 * river.idle, "% of a core")
    yield Figure(f"river: mean document of {number}", size / number / 1000, "kB")
    for name in rounds[0].cpu:
        seconds = sum(spent.cpu[name] for spent in rounds)
        yield Figure(f"river: process {name}", 1000 * seconds / number, "ms CPU a document")
    yield Figure("river: all processes", 1000 * total / number, "ms CPU a document")
    yield Figure("river: all processes", number / total, "documents/CPU s")
    yield Figure("river: all processes", size / total / 1e6, "MB/CPU s")
    yield Figure("river: by the clock", number / wall_s, "documents/s")
    yield Figure("river: by the clock", size / wall_s / 1e6, "MB/s")


def units(rows: Sequence[Row]) -> Iterator[Figure]:
    """Each unit's judge in this process over the documents that the one before it lets through."""
    alive = [
        Document(id=row["id"], uid=i + 1, media_type="text/plain", body=row["text"].encode())
        for i, row in enumerate(rows)
    ]
    with TemporaryDirectory() as folder:
        table = Path(without_judges(Path(folder))["CORPUSWORKS_TOPOLOGY"])
        server = RedisServer(Path(folder), "--appendonly", "yes", "--appendfsync", "always")
        settings = load_settings()
        settings = settings.model_copy(
            update={"redis": settings.redis.model_copy(update={"url": server.url})}
        )
        resources = Resources(settings)
        try:
            for service in topology(table).services.values():
                if isinstance(service.definition, Unit):
                    number, size = len(alive), sum(len(d.body) + len(d.text.encode()) for d in alive)
                    seconds, alive = _judge(service.definition, alive, resources, server)
                    name = f"unit {service.name}"
                    yield Figure(name, 1000 * seconds / number, "ms CPU a document")
                    yield Figure(name, number / seconds, "documents/CPU s")
                    yield Figure(name, size / seconds / 1e6, "MB/CPU s")
        finally:
            resources.close()
            server.stop()


def _judge(
    unit: Unit, documents: list[Document], resources: Resources, server: RedisServer
) -> tuple[float, list[Document]]:
    """CPU seconds, the server's included, and the documents that go on."""
    judge = unit.build(configure(unit.name, unit.config, {}), resources)
    if unit.positioned and hasattr(judge, "begin"):  # as the runtime does before the first batch
        judge.begin({})
    warm_up = [Document.FromString(d.SerializeToString()) for d in documents[:3]]
    for number, document in enumerate(warm_up):
        document.uid = 1 << 63 | number
    judge(warm_up)
    before = _cpu(server)
    going_on = []
    for start in range(0, len(documents), unit.slice_size):
        batch = documents[start : start + unit.slice_size]
        going_on += [v.document for v in judge(batch) if isinstance(v, Emit)]
    return _cpu(server) - before, going_on


def _cpu(server: RedisServer) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return time.process_time() + times.user + times.system


def datatrove(rows: Sequence[Row], *mode: str) -> dict[str, float]:
    """CPU seconds a document by stage; see datatrove_river."""
    with TemporaryDirectory() as folder:
        corpus = write(Path(folder) / "corpus.jsonl", rows)
        command = [sys.executable, "-m", "tests.benchmarks.datatrove_river", str(corpus), folder, *mode]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"datatrove: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {stage: seconds / found["documents"] for stage, seconds in found["cpu_seconds"].items()}


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.3f} {figure.unit} {figure.target} {figure.passed or ''}")
