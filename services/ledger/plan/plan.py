"""What a corpus will take; a pure function of its size and of what one document takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.ledger.plan.figures import (
    ARCHIVE_DOCUMENTS,
    ARCHIVE_DROPS,
    ARCHIVE_USES,
    BENCH,
    CPU_MS,
    DROPPED,
    FIGURES,
    KEPT,
    OTHERS,
    PARTS,
    REDIS,
    SENTENCE,
    SERVED_MS,
    Size,
)
from services.runtime.topology import Topology

_DAY_S = 86_400
_BUSY = 0.6  # of a core, on the average: the rest is for what comes in bursts
_WAYS = {
    REDIS: "never: drops go on dropping",
    ARCHIVE_DOCUMENTS: "folders of old days can go",
    ARCHIVE_DROPS: "folders of old days can go",
    ARCHIVE_USES: "folders of old days can go: the parts say the same",
    PARTS: "never: they are the corpus",
}


@dataclass(frozen=True)
class Corpus:
    """documents: in all; per_day: that come in. text: bytes of one, tokens: of one. kept: share, 0..1.

    replicas: of topics. lanes, partitions: as they are set.
    """

    documents: float
    per_day: float
    text: float = 5_000
    tokens: float = 1_200
    kept: float = 0.7
    replicas: int = 3
    lanes: int = 2
    partitions: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.kept <= 1:
            raise ValueError(f"kept is a share from 0 to 1, not {self.kept:g}")
        for name in ("documents", "per_day", "text", "tokens", "replicas"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be a number above 0, not {value:g}")

    def share(self, of: str) -> float:
        """Of all documents."""
        return {KEPT: self.kept, DROPPED: 1 - self.kept}.get(of, 1.0)


@dataclass(frozen=True)
class Thing:
    """One thing that grows. a_document: bytes by document that comes in; bytes: in all, replicas counted.

    shrinks: how. each: what it grows by, where that is not documents and the bytes do not matter.
    """

    name: str
    a_document: float
    bytes: float
    shrinks: str
    source: str
    each: str = ""


def plan(
    corpus: Corpus,
    topology: Topology,
    keep: Mapping[str, float],
    found: Mapping[str, float] | None = None,
    sentences: int = 0,
) -> Iterator[Thing]:
    """Everything that grows. keep: seconds by topic (services/runtime/keep.py).

    found: bytes by document that came in, where they were measured on a river (measured.py).
    sentences: how many are remembered, whatever comes; 0 where they are not counted.
    """
    found = found or {}
    unwritten = topology.idle | _inner(topology)
    for name, topic in topology.table.items():
        size = FIGURES.get(name, Size("not measured", each="message"))
        seconds = math.inf if topic.compact else keep.get(name, topic.keep)
        shrinks = (
            "by key" if topic.compact else "never" if math.isinf(seconds) else f"after {seconds / _DAY_S:g} d"
        )
        if name in unwritten and name not in found:
            size, shrinks = Size(size.source, each="nothing: no unit writes there"), "-"
        documents = min(corpus.documents, corpus.per_day * seconds / _DAY_S)
        each = _each(size, corpus, found.get(name))
        source = "measured here" if name in found else size.source
        yield Thing(name, each, each * documents * corpus.replicas, shrinks, source, size.each)
    for name, size in OTHERS.items():
        each = _each(size, corpus, found.get(name))
        source = "measured here" if name in found else size.source
        yield Thing(name, each, each * corpus.documents, _WAYS[name], source)
    if sentences:
        in_all = float(SENTENCE * sentences)
        yield Thing("Redis: sentences", 0.0, in_all, "by itself: it has a fixed size", BENCH, "sentence")


def _each(size: Size, corpus: Corpus, found: float | None) -> float:
    return size.bytes(corpus.text, corpus.tokens) * corpus.share(size.of) if found is None else found


def _inner(topology: Topology) -> set[str]:
    """Topics between units that one process joins: nothing is written there."""
    return {topology.services[name].output for group in topology.processes for name in group[:-1]}


@dataclass(frozen=True)
class Work:
    """core_hours: of the whole corpus, without judges. cores, lanes, partitions: that keep up with a day."""

    core_hours: float
    cores: float
    lanes: int
    partitions: int


def work(corpus: Corpus) -> Work:
    """What keeps up with `per_day` while cores are busy for _BUSY of the time; never less than is set."""
    rate = corpus.per_day / _DAY_S / _BUSY / 1000  # documents that a core's millisecond must do
    lanes = max(corpus.lanes, math.ceil(rate * (SERVED_MS["mixer"] + SERVED_MS["sink"])))
    partitions = max(corpus.partitions, math.ceil(rate * max(SERVED_MS.values())))
    scale = max(1.0, corpus.text / 5_260)  # most of it is by the byte
    return Work(
        core_hours=corpus.documents * CPU_MS * scale / 3_600_000,
        cores=rate * CPU_MS * scale,
        lanes=lanes,
        partitions=math.ceil(partitions / lanes) * lanes,
    )
