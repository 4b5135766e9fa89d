"""Documents in chains of near-duplicates, and which of them survive, by the rule and by brute force."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from contracts import Control, Document, Retraction
from services.dedup import DedupConfig, Deduplicator
from services.dedup.entry import compare, make_entry
from services.dedup.index import MemoryIndex
from services.dedup.normal import compared
from services.dedup.redis_index import RedisIndex
from services.dedup.sketch import sketch
from services.mixer.kin import Kin
from services.runtime import Drop, Emit, Reject, Verdict
from services.runtime.state import MemoryMarks, RedisMarks, Server

TOPIC_ID = "routed"
SYLLABLES = [*"山水风月林", "ka", "lo", "mi", "ren", "tu", "schlo", "grat", "ven", "bru", "ost"]


def document(
    uid: int, text: str, rank: float = 0.5, offset: int | None = None, category: str = ""
) -> Document:
    """One document; with an offset it was read from partition 0 of docs.routed."""
    made = Document(id=f"d{uid}", uid=uid, text=text, rank=rank, category=category)
    if offset is not None:
        made.position.topic, made.position.topic_id, made.position.offset = "docs.routed", TOPIC_ID, offset
    return made


def memory_judge(config: DedupConfig | None = None) -> Deduplicator:
    """A judge over an index of its own."""
    config = config or DedupConfig(index="memory")
    judge = Deduplicator(MemoryIndex(), MemoryMarks(config), config)
    judge.begin({})
    return judge


def redis_judge(client: Any, config: DedupConfig | None = None) -> Deduplicator:
    """A judge over an index that may be shared, begun."""
    config = config or DedupConfig()
    server = Server(client, config)
    marks = RedisMarks(server, config)
    judge = Deduplicator(RedisIndex(server, config, marks.generation), marks, config)
    judge.begin({})
    return judge


def commit(judge: Deduplicator, offset: int, partition: int = 0) -> None:
    """As the runtime does it after a batch that ends before this offset."""
    judge.reached({(TOPIC_ID, partition): offset})
    judge.committed({(TOPIC_ID, partition): offset})


def prose(seed: int, words: int = 150) -> list[str]:
    """Words that occur nowhere else."""
    rng = random.Random(seed)
    return ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(words)]


def chain(seed: int, length: int, changed: float) -> list[str]:
    """Texts of which each is the one before with a share of its words made new, each word only once."""
    rng = random.Random(seed)
    words = prose(seed)
    fresh = prose(seed + 1_000_003, len(words) * length)
    untouched = rng.sample(range(len(words)), len(words))
    texts = [" ".join(words)]
    for _ in range(length - 1):
        for _ in range(round(len(words) * changed)):
            words[untouched.pop()] = fresh.pop()
        texts.append(" ".join(words))
    return texts


def corpus(seed: int, chains: int = 12) -> list[Document]:
    """Chains A~B~C with A and C too far apart, exact copies, loners; ranks at random, with ties."""
    rng = random.Random(seed)
    texts = [
        text for i in range(chains) for text in chain(seed * 1000 + i, 5, rng.choice([0.04, 0.06, 0.07]))
    ]
    texts += (
        rng.sample(texts, chains) + [" ".join(prose(seed * 7919 + i)) for i in range(chains)] + ["ok", "OK "]
    )
    ranks = [0.0, 0.25, 0.5, 0.75, 1.0]
    uids = [rng.getrandbits(64) or 1 for _ in texts]
    kinds = ["news", "book", "", "web"]
    return [
        document(uid, text, rng.choice(ranks), offset, rng.choice(kinds))
        for offset, (uid, text) in enumerate(zip(uids, texts, strict=True))
    ]


def near_pairs(
    documents: Sequence[Document], config: DedupConfig, likeness: float | None = None
) -> set[tuple[int, int]]:
    """Indices (i, j) of near-duplicates, or of those that are so like, both ways round."""
    sketches = sketch([compared(each).text for each in documents], config.bands, config.rows)
    entries = [
        make_entry(each, config.threshold_of(each.category), bits.tobytes(), fine.tobytes())
        for each, bits, fine in zip(documents, sketches.bits, sketches.fine, strict=True)
    ]
    pairs = set()
    for i, entry in enumerate(entries):
        together = np.flatnonzero(((sketches.bands[i] == sketches.bands) & (sketches.bands > 0)).any(axis=1))
        others = [int(j) for j in together if j != i]
        found = compare(entry, {j: entries[j].pack() for j in others}).nearest(1.0) if others else []
        for j, near in zip(others, found, strict=True):
            if near.similarity >= (near.threshold if likeness is None else likeness):
                pairs.add((i, j))
    return pairs


def survivors(documents: Sequence[Document], config: DedupConfig) -> set[int]:
    """The rule: uids of the documents of which no better near-duplicate is among them all."""
    order = [(each.rank, each.uid) for each in documents]
    beaten = {i for i, j in near_pairs(documents, config) if order[j] > order[i]}
    return {each.uid for i, each in enumerate(documents) if i not in beaten}


def retractions(verdict: Verdict) -> list[Retraction]:
    """What a verdict takes back."""
    also = () if isinstance(verdict, Reject) else verdict.also
    told = [each.value for each in also if isinstance(each.value, Control)]
    return [each.retraction for each in told if each.HasField("retraction")]


def kin_told(verdicts: Iterable[Verdict]) -> Kin:
    """What a lane knows of clusters after these verdicts."""
    known = Kin()
    for verdict in verdicts:
        for also in () if isinstance(verdict, Reject) else verdict.also:
            if isinstance(also.value, Control) and also.value.HasField("kin"):
                known.join(also.value.kin.key, also.value.kin.into)
    return known


def keys(verdicts: Sequence[Verdict]) -> dict[int, int]:
    """By uid of those that went on, the key by which a lane keeps them apart in the end."""
    known = kin_told(verdicts)
    gone_on = [verdict.document for verdict in verdicts if isinstance(verdict, Emit)]
    return {each.uid: known.find(each.cluster or each.uid) for each in gone_on}


def least_kin(documents: Sequence[Document], config: DedupConfig) -> dict[int, int]:
    """The rule: by uid, the least one of those that pairs alike connect it with."""
    known = Kin()
    for i, j in near_pairs(documents, config, config.cluster_from):
        known.join(documents[i].uid, documents[j].uid)
    return {each.uid: known.find(each.uid) for each in documents}


def standing(outcomes: Iterable[tuple[Document, Verdict]]) -> set[int]:
    """Uids that went on and were not retracted. Fails when a document went on twice."""
    emitted: list[int] = []
    retracted: list[Retraction] = []
    for judged, verdict in outcomes:
        assert isinstance(verdict, Emit | Drop), verdict
        retracted += retractions(verdict)
        if isinstance(verdict, Emit):
            emitted.append(judged.uid)
    assert len(emitted) == len(set(emitted)), "a document went on twice"
    assert len(retracted) == len({each.uid for each in retracted}), "a document was retracted twice"
    return set(emitted) - {each.uid for each in retracted}
