"""Mixer and sink: documents a second of CPU time, and how full the sequences are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np

from contracts import Document
from services.mixer.config import MixerConfig
from services.mixer.recipe import Recipe
from services.mixer.task import Mixer
from services.runtime import Message, ObjectStore, VocabularyCard, topics
from services.sink import SinkConfig
from services.sink.packing import best_fit, concat
from services.sink.strategies import STRATEGIES, Window
from services.sink.task import Sink
from tests.benchmarks.figures import Figure, cpu_seconds

BUCKETS = ("zh", "en", "code")
SPACED = Recipe.load().model_copy(update={"spacing": 1 << 20})
CARD = VocabularyCard("ab12", 60_000, 0, "<end>")


def lengths(count: int) -> np.ndarray:
    """Token counts of web documents: lognormal, 900 on the average, a tail beyond the sequence."""
    return np.maximum(1, np.random.default_rng(1).lognormal(6.3, 1, count)).astype(int)


def messages(topic: str, sizes: np.ndarray, *, bucket: str = "zh", use: int = 0) -> list[Message]:
    """Documents with tokens; their uids follow from the bucket and the place. use: 1 once mixed."""
    rng = np.random.default_rng(2)
    made = []
    for index, size in enumerate(sizes.tolist()):
        tokens = rng.integers(0, 60_000, size, dtype="<u4")
        uid = BUCKETS.index(bucket) << 40 | index
        one = Document(uid=uid, id=f"{bucket}/{index}", source=f"file:///{bucket}.jsonl#{index}")
        one.language, one.format, one.bucket, one.phase, one.use = bucket, "prose", bucket, "stable", use
        one.num_tokens, one.token_ids, one.tokenizer = size, tokens.tobytes(), CARD.digest
        one.features.update({f"feature_{n}": n / 7 for n in range(15)})
        made.append(Message(topic, 0, index, None, one, 0))
    return made


def mixing(recipe: Recipe) -> float:
    """Documents a second of CPU time through the mixer's fold. RuntimeError: some are left."""
    counts: list[int] = []
    best = float("inf")
    for _ in range(3):  # made anew each time: the mixer takes out of documents what it has no use for
        pools = {
            f"pool.{bucket}": messages(f"pool.{bucket}", np.full(count, 900), bucket=bucket)
            for bucket, count in zip(BUCKETS, (10_000, 10_000, 5_000), strict=True)
        }
        best = min(best, cpu_seconds(lambda pools=pools: counts.append(len(mix(pools, recipe))), repeat=1))
    if min(counts) < 24_990:
        raise RuntimeError(f"of 25,000 documents {min(counts)} were mixed")
    return counts[0] / best


def mix(pools: dict[str, list[Message]], recipe: Recipe) -> list[Document]:
    """Feed and step as the runtime does; the documents in the order in which they were mixed."""
    mixer = Mixer(MixerConfig(linger_s=0), recipe, 0, 1)
    mixed: list[Document] = []
    at = dict.fromkeys(pools, 0)
    while True:
        fed = False
        for topic in mixer.wants() & set(pools):
            chunk = pools[topic][at[topic] : at[topic] + 500]
            mixer.feed(chunk)
            at[topic] += len(chunk)
            fed = fed or bool(chunk)
        while (step := mixer.step(0.0, {topics.CONTROL})) is not None:
            mixed += [output.value for output in step.outputs if isinstance(output.value, Document)]
        if not fed:
            return mixed


def sink(documents: list[Message]) -> int:
    """Seal one part of all documents; its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        store = ObjectStore(f"file://{folder}")
        CARD.keep(store, b"")
        task = Sink(SinkConfig(seal_age_s=1), store, 0)
        task.restore([])
        task.feed(documents)
        step = task.step(10.0, ("docs.mixed",))
        assert step is not None
        return int(step.outputs[0].value.num_tokens)  # type: ignore[attr-defined]


def window(sizes: np.ndarray) -> Window:
    """Documents of 100 topics: half of their tokens are of the topic, half of all, frequent ones often."""
    rng = np.random.default_rng(3)
    tokens = []
    for size in sizes.tolist():
        own = rng.integers(0, 100) * 400 + rng.integers(0, 400, size // 2)
        tokens.append(np.append(own, 60_000 * rng.random(size - size // 2) ** 3).astype("<u4"))
    return Window(tokens)


def run() -> Iterator[Figure]:
    """Packing of 100,000 documents, the mixer over three pools, one whole part."""
    sizes = lengths(100_000)
    for name, pack in {"best_fit": best_fit, "concat": concat}.items():
        seconds = cpu_seconds(lambda pack=pack: pack(sizes, 2048))
        speed = len(sizes) / seconds
        told = f"packing {name}, 900 tokens each"
        yield Figure(told, speed, "documents/CPU s", ">= 500,000", speed >= 500_000)
        for count in (7_000, 100_000):  # a part of the default size, and a large one
            part = pack(sizes[:count], 2048)
            fill = sizes[:count].sum() / (part.num_sequences * 2048)
            yield Figure(f"fill {name}, {count} documents", 100 * float(fill), "%")
    topical = window(sizes[:7_000])
    seconds = cpu_seconds(lambda: STRATEGIES["related"](topical, 2048))
    yield Figure("packing related, a part of the default size", 7_000 / seconds, "documents/CPU s")
    fill = sizes[:7_000].sum() / (STRATEGIES["related"](topical, 2048).num_sequences * 2048)
    yield Figure("fill related, 7000 documents", 100 * float(fill), "%", ">= 97", fill >= 0.97)
    for name, recipe in {"mixer": Recipe.load(), "mixer, spaced": SPACED}.items():
        speed = mixing(recipe)
        yield Figure(f"{name}, 900 tokens each", speed, "documents/CPU s", ">= 20,000", speed >= 20_000)
    documents = messages("docs.mixed", lengths(6_500), use=1)
    seconds = cpu_seconds(lambda: sink(documents))
    yield Figure("sink, one part of 4 million tokens", len(documents) / seconds, "documents/CPU s")
    yield Figure("sink, the same", sink(documents) / seconds / 1e6, "million tokens/CPU s")


if __name__ == "__main__":
    for figure in run():
        print(
            f"{figure.name:40} {figure.value:14,.1f} {figure.unit:20} {figure.target} {figure.passed or ''}"
        )
