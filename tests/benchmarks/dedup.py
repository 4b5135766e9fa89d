"""The dedup index against datasketch's Redis storage, and text to signature against datatrove's MinHash.

Costs are CPU time of client and server together; the rival runs on a server of the same kind, in the
same run, used at its best: one insertion session, then plain queries.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_lowercase
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import xxhash

from contracts import Document
from services.dedup import DedupConfig, build
from services.dedup import entry as entries
from services.dedup.normal import compared, prose
from services.dedup.sketch import sketch
from services.runtime import Resources, Settings
from services.runtime.process.collector import settle_collector
from services.runtime.settings import RedisSettings
from tests.benchmarks.figures import Figure, cpu_seconds
from tests.near_duplicates import document
from tests.servers import RedisServer

OURS, THEIRS, BATCH = 20_000, 3_000, 1_000
SHORT = 20, 160  # characters of short texts
COPIES = 0.1  # share of documents that are near-duplicates of another
EN = ["the", "a", "of", "river", "water", "flow", "slow", "under", "old", "stone", "bridge", "sing", "field"]


def english(rng: random.Random, size: int) -> str:
    """Some `size` bytes of words, half of them made of letters, as names and terms are.

    Two such texts are alike by 0.05, as two real ones are (0.06 of those of corpus.py).
    """
    words = [
        word if rng.random() < 0.5 else "".join(rng.choices(ascii_lowercase, k=rng.randint(3, 9)))
        for word in rng.choices(EN, k=size // 5)
    ]
    return " ".join(words)[:size]


def chinese(rng: random.Random, size: int) -> str:
    """Some `size` bytes of UTF-8 in the simplified characters that are common (GB 2312, level 1)."""
    return "".join(
        bytes((rng.randint(0xB0, 0xD6), rng.randint(0xA1, 0xFE))).decode("gb2312") for _ in range(size // 3)
    )


def documents(count: int, short: float = 0.0) -> list[Document]:
    """Half English, half Chinese, about 1 kB, a tenth of them an earlier one with a word more.

    short: the share of those that are of 20 to 160 characters instead.
    """
    rng = random.Random(0)
    texts: list[str] = []
    for i in range(count):
        if texts and rng.random() < COPIES:
            texts.append(rng.choice(texts) + " again")
        else:
            size = rng.randint(*SHORT) if short and rng.random() < short else 1000
            texts.append((english if i % 2 else chinese)(rng, size * (1 if i % 2 or size == 1000 else 3)))
    return [document(rng.getrandbits(64) | 1, text, rng.random(), i) for i, text in enumerate(texts)]


class Cost:
    """CPU seconds of this process and of a server, and bytes that the server took, since it was made."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._process = psutil.Process(server.pid)
        self._start = self._cpu(), self._memory()

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return time.process_time() + times.user + times.system

    def _memory(self) -> int:
        with self._server.client() as client:
            return int(client.info("memory")["used_memory"])

    def spent(self) -> tuple[float, int]:
        """CPU seconds, bytes."""
        return self._cpu() - self._start[0], self._memory() - self._start[1]


def ours(server: RedisServer, short: float = 0.0) -> tuple[float, float]:
    """Milliseconds of CPU a document without the signature, bytes a document."""
    corpus = documents(OURS, short)
    config = DedupConfig(durable=False)
    batches = [corpus[start : start + BATCH] for start in range(0, OURS, BATCH)]
    _signed(batches[0], config)  # what is made once is no part of it
    signing = cpu_seconds(lambda: [_signed(batch, config) for batch in batches], 1)
    judge = build(config, Resources(Settings(redis=RedisSettings(url=server.url))))
    judge.begin({})
    judge([document(1, "warm", 0.0, OURS)])
    cost = Cost(server)
    for batch in batches:
        judge(batch)
    seconds, memory = cost.spent()
    return (seconds - signing) / OURS * 1e3, memory / OURS


def _signed(batch: list[Document], config: DedupConfig) -> None:
    """From text to signature, which the rival is handed ready-made."""
    sketch([compared(each).text for each in batch], config.bands, config.rows, config.least_threshold)


def theirs(server: RedisServer) -> tuple[float, float]:
    """The same of datasketch's MinHashLSH, whose signatures are made beforehand."""
    from datasketch import MinHash, MinHashLSH

    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**32, (THEIRS, 112), dtype=np.uint64)
    copied = rng.choice(THEIRS, int(THEIRS * COPIES), replace=False)
    values[copied, :104] = values[rng.integers(0, THEIRS, len(copied)), :104]
    signatures = [MinHash(num_perm=112, hashvalues=row, scheme="legacy") for row in values]
    storage = {"type": "redis", "basename": b"rival", "redis": {"host": "127.0.0.1", "port": server.port}}
    index = MinHashLSH(num_perm=112, params=(14, 8), storage_config=storage)
    cost = Cost(server)
    with index.insertion_session() as session:
        for number, signature in enumerate(signatures):
            session.insert(f"{number:016x}", signature)
    for signature in signatures:
        index.query(signature)
    seconds, memory = cost.spent()
    return seconds / THEIRS * 1e3, memory / THEIRS


def signatures() -> Iterator[Figure]:
    """Text to signature for 5 kB, alone and in batches; datatrove's where it is installed."""
    rng = random.Random(1)
    for language, write in [("en", english), ("zh", chinese)]:
        texts = [write(rng, 5000) for _ in range(100)]
        for name, batches in [("alone", [[text] for text in texts]), ("in batches", [texts])]:
            ms = cpu_seconds(_signing(batches), 5) / len(texts) * 1e3
            yield Figure(f"dedup: signature of 5 kB {language}, {name}", ms, "ms CPU", "<= 0.4", ms <= 0.4)
        if language == "en" and (rival := _datatrove(texts[:20])) is not None:
            yield Figure(f"dedup: signature of 5 kB {language}, datatrove", rival, "ms CPU")


def _signing(batches: list[list[str]]) -> Callable[[], object]:
    return lambda: [sketch([prose(text) for text in batch], 12, 6) for batch in batches]


def _datatrove(texts: list[str]) -> float | None:
    try:
        from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

        with TemporaryDirectory() as folder:
            step = MinhashDedupSignature(folder)
            # xxhash 4 no longer takes str, which datatrove hands it
            step._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
            step.get_signature(step.get_shingles(texts[0]))
            seconds = cpu_seconds(lambda: [step.get_signature(step.get_shingles(text)) for text in texts], 2)
    except ImportError:  # datatrove itself, or the word tokenizer of the language
        return None
    return seconds / len(texts) * 1e3


def run() -> Iterator[Figure]:
    """All figures; starts a server of its own for each side."""
    yield from signatures()
    settle_collector()  # as the processes do that run a unit, or the rival
    results = []
    for side in (ours, theirs, lambda server: ours(server, 0.5)):
        with TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            try:
                results.append(side(server))
            finally:
                server.stop()
    (ms, size), (rival_ms, rival_size), (_, mixed) = results
    yield Figure("dedup: index, query and insert", ms, "ms CPU a document")
    yield Figure("dedup: index, datasketch", rival_ms, "ms CPU a document")
    yield Figure(
        "dedup: index against datasketch", ms / rival_ms, "of its CPU", "<= 0.1", ms <= rival_ms / 10
    )
    bare = size - (entries.SIZE - entries.HEAD)
    yield Figure("dedup: index", bare, "bytes a document", "<= 250", bare <= 250)
    yield Figure("dedup: index and signatures", size, "bytes a document", "<= 420", size <= 420)
    name = "dedup: index and signatures, half the texts short"
    yield Figure(name, mixed, "bytes a document", "<= 450", mixed <= 450)
    yield Figure("dedup: index, datasketch's", rival_size, "bytes a document")
    ratio = size / rival_size
    yield Figure("dedup: index against datasketch's", ratio, "of its bytes", "<= 0.083", ratio <= 1 / 12)


if __name__ == "__main__":
    for figure in run():
        print(f"{figure.name}: {figure.value:.3f} {figure.unit} {figure.target} {figure.passed or ''}")
