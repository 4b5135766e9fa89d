"""How soon a document that is put in is in a pool, and in a sealed part, at half of the river's capacity.

Documents come one by one at a steady rate; each delay counts from the moment when the document was due,
so that a feeder that falls behind hides nothing, to the moment when a read_committed consumer has it.
The recipe does not wait for buckets that run dry: what is over-supplied would wait for ever otherwise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xxhash
import yaml
from kafka import TopicPartition

from contracts import Document, PartSealed
from services.mixer import presets
from services.runtime import ObjectStore, Settings
from services.runtime.clients.kafka import consumer
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, Transactions
from services.sink.parts import read_records
from tests.benchmarks.corpus import Row, documents
from tests.benchmarks.figures import Figure
from tests.benchmarks.running import Running, running
from tests.e2e.home import topology

WARM_UP, SATURATING, FEED_S, MOST = 30, 2000, 40.0, 7500
SEAL_AGE_S, ALLOWED_S = 5.0, 5.0
QUIET_S, TICK_S = 2.0, 0.05


def run() -> Iterator[Figure]:
    """Capacity, and both delays at the median and at the 99th percentile."""
    rows = documents(WARM_UP + SATURATING + MOST)
    feed = rows[WARM_UP + SATURATING :]
    with TemporaryDirectory() as name:
        settings = _settings(Path(name))
        with running(Path(name), rows[:WARM_UP], settings) as river:
            spent = river.put(rows[WARM_UP : WARM_UP + SATURATING])
            rate = SATURATING / spent.wall_s / 2
            yield Figure("freshness: documents put in", rate, "documents/s")
            due, seen = _feed(river, feed[: int(rate * FEED_S)], rate)
            pools, parts = _delays(river.home.settings, due, seen)
    for where, delays, allowed_s in (
        ("in a pool", pools, ALLOWED_S),
        (f"in a part, sealed after {SEAL_AGE_S:.0f} s", parts, SEAL_AGE_S + ALLOWED_S),
    ):
        yield Figure(f"freshness: {where}, share of {len(due)}", 100 * len(delays) / len(due), "%")
        median, late = np.percentile(delays, [50, 99]).tolist()
        yield Figure(f"freshness: {where}, p50", median, "s")
        yield Figure(f"freshness: {where}, p99", late, "s", f"<= {allowed_s:.0f}", late <= allowed_s)


def _settings(folder: Path) -> Mapping[str, str]:
    recipe = yaml.safe_load(presets.find(None).read_text()) | {"starvation": "relax", "relax_after_s": 0}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return {"CORPUSWORKS_RECIPE": str(path), "CORPUSWORKS_UNITS__SINK__SEAL_AGE_S": str(SEAL_AGE_S)}


class _Watcher(threading.Thread):
    """Stamps what becomes visible in the pools and among the parts: (topic, value, Unix seconds)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._consumer = consumer(settings, None)
        topics = [f"pool.{bucket}" for bucket in topology().buckets] + ["shards.sealed"]
        with Log(settings) as log:
            ends = log.ends(topics)
        self._consumer.assign([TopicPartition(*tp) for tp in ends])
        for tp, end in ends.items():
            self._consumer.seek(TopicPartition(*tp), end)
        self._stopping = threading.Event()
        self.seen: list[tuple[str, bytes, float]] = []
        self.last = time.time()

    def run(self) -> None:
        while not self._stopping.is_set():
            found = self._consumer.poll(100)
            now = time.time()
            for tp, records in found.items():
                self.seen += [(tp.topic, record.value, now) for record in records]
                self.last = now
        self._consumer.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def _feed(
    river: Running, rows: Sequence[Row], rate: float
) -> tuple[dict[int, float], list[tuple[str, bytes, float]]]:
    """Put documents in at a rate; when each was due, by uid, and what was seen until all was quiet."""
    watcher = _Watcher(river.home.settings)
    watcher.start()
    transactions = Transactions(river.home.settings, "feed", "feed")
    transactions.open()
    due: dict[int, float] = {}
    begin, at = time.time(), 0
    while at < len(rows):
        time.sleep(TICK_S)
        now = time.time()
        ready = rows[at : int((now - begin) * rate)]
        batch = []
        for row in ready:
            document = _document(row, now)
            due[document.uid] = begin + at / rate
            batch.append(Produce("docs.raw", document.SerializeToString(), spread=document.uid))
            at += 1
        if batch:
            transactions.commit(batch, {}, None)
    transactions.reset()
    while time.time() < watcher.last + SEAL_AGE_S + QUIET_S:
        river.home.river.check()
        time.sleep(0.2)
    watcher.stop()
    return due, watcher.seen


def _document(row: Row, now: float) -> Document:
    return Document(
        id=row["id"],
        uid=xxhash.xxh3_64_intdigest((row["id"] + row["text"]).encode()),
        source=f"bench:{row['id']}",
        media_type="text/plain",
        body=row["text"].encode(),
        ingested_ms=int(now * 1000),
    )


def _delays(
    settings: Settings, due: Mapping[int, float], seen: Sequence[tuple[str, bytes, float]]
) -> tuple[list[float], list[float]]:
    """Seconds until each document was in a pool, and in a part."""
    pools, parts = [], []
    store = ObjectStore(settings.store_url)
    for topic, value, at in seen:
        if topic == "shards.sealed":
            uids = [record.uid for record in read_records(store, PartSealed.FromString(value))]
            parts += [at - due[uid] for uid in uids if uid in due]
        elif (uid := Document.FromString(value).uid) in due:
            pools.append(at - due[uid])
    if not pools or not parts:
        raise RuntimeError(
            f"{len(due)} documents were put in, {len(pools)} came to a pool, {len(parts)} to a part"
        )
    return pools, parts


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name:60} {figure.value:10.3f} {figure.unit} {figure.target} {figure.passed or ''}")
