"""Ranks by sketches in Redis: what a document costs, how far a rank is off, and a sorted set beside it.

Costs are CPU time of client and server together. The rival is what Redis offers itself, exact and ever
growing: a sorted set for each group, one ZADD and two ZCOUNT a document, pipelined by the batch.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import redis

from contracts import Document
from services.scorer.group import State
from services.scorer.redis_store import RedisStore
from tests.benchmarks.figures import Figure
from tests.scoring import document, scorer, true_ranks
from tests.servers import RedisServer

OURS, THEIRS, BATCH = 60_000, 20_000, 1_000
LANGUAGES, CATEGORIES = ("zh", "en"), tuple("abcdefghijkl")
EXPIRE_S = 3600


def documents(count: int) -> list[Document]:
    """In 24 groups, each with a distribution of its own; as a classifier leaves them."""
    rng = random.Random(0)
    made = []
    for _ in range(count):
        category = rng.choice(CATEGORIES)
        score = rng.gauss(ord(category), 1)
        made.append(document(rng, category, score, language=rng.choice(LANGUAGES)))
    return made


def _cpu(server: RedisServer) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return time.process_time() + times.user + times.system


def _cost(
    work: Callable[[Sequence[Document]], object], stream: Sequence[Document], server: RedisServer
) -> float:
    """CPU microseconds a document; the first half only fills."""
    half = len(stream) // 2
    for at in range(0, half, BATCH):
        work(stream[at : at + BATCH])
    start = _cpu(server)
    for at in range(half, len(stream), BATCH):
        work(stream[at : at + BATCH])
    return (_cpu(server) - start) / (len(stream) - half) * 1e6


def _sorted_sets(client: redis.Redis) -> Callable[[Sequence[Document]], object]:
    def work(batch: Sequence[Document]) -> object:
        pipeline = client.pipeline(transaction=False)
        for each in batch:
            key, score = f"{each.language}/{each.category}", each.features["judge.quality"]
            pipeline.zadd(key, {each.uid.to_bytes(8, "big"): score})
        for each in batch:
            key, score = f"{each.language}/{each.category}", each.features["judge.quality"]
            pipeline.zcount(key, "-inf", f"({score}")
            pipeline.zcount(key, "-inf", score)
        return pipeline.execute()

    return work


def _worst_error(server: RedisServer, stream: Sequence[Document]) -> float:
    groups: dict[str, list[float]] = {}
    for each in stream:
        key = f"{{bench}}:judge@1:{each.language}/prose/{each.category}"
        groups.setdefault(key, []).append(each.features["judge.quality"])
    with server.client() as client:
        sketches = {key: State.load(client.get(key)).sketch for key in groups}
    return max(
        abs(sketches[key].standing(score).rank - rank)
        for key, scores in groups.items()
        for score, rank in true_ranks(scores).items()
    )


def _used(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.info("memory")["used_memory"])


def run() -> Iterator[Figure]:
    """See Figure."""
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), "--appendonly", "yes", "--appendfsync", "always")
        try:
            stream, empty = documents(OURS), _used(server)
            ours = _cost(scorer(RedisStore(server.client(), "bench", EXPIRE_S)), stream, server)
            yield Figure("scorer: CPU a document, client and server", ours, "us", "< 50", ours < 50)
            error = _worst_error(server, stream)
            yield Figure(
                "scorer: worst rank error of 24 sketches", 100 * error, "points", "< 1", error < 0.01
            )
            size = (_used(server) - empty) / OURS
            yield Figure("scorer: memory of Redis a document, fates and sketches", size, "bytes")
            with server.client() as client:
                written = int(client.info("persistence")["aof_current_size"]) / OURS
                yield Figure("scorer: append-only file a document", written, "bytes")
                client.flushall()
            with server.client() as client:
                theirs = _cost(_sorted_sets(client), stream[:THEIRS], server)
            yield Figure("sorted sets of Redis: CPU a document", theirs, "us")
            yield Figure("scorer: sorted sets' cost / ours", theirs / ours, "x", "> 1", theirs > ours)
            grown = (_used(server) - empty) / THEIRS
            yield Figure("sorted sets of Redis: memory a document, without end", grown, "bytes")
        finally:
            server.stop()


if __name__ == "__main__":
    for figure in run():
        print(figure)
