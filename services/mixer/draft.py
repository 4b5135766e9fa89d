"""A step of the mixer in the making."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts import Document
from services.mixer.pool import Pool, Waiting
from services.runtime import Count, Output


@dataclass
class Draft:
    """most_*: bounds of one transaction. touched: pools that were moved on in, by topic."""

    most_documents: int
    most_bytes: int
    outputs: list[Output] = field(default_factory=list)
    dropped: list[tuple[Document, str, str]] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)
    touched: dict[str, Pool] = field(default_factory=dict)
    changed: bool = False  # there is something to be said beside these
    taken: Counter[str] = field(default_factory=Counter)  # tokens by bucket
    by_shares: list[tuple[Mapping[str, float], int]] = field(default_factory=list)  # their sums, by phase
    refills: bool = False  # documents went back into pools, so that none is dry
    _documents: int = 0
    _bytes: int = 0

    @property
    def has_room(self) -> bool:
        """For another document."""
        return self._documents < self.most_documents and self._bytes < self.most_bytes

    @property
    def is_empty(self) -> bool:
        """Nothing was done."""
        return not (self.touched or self.outputs or self.changed)

    def moved(self, pool: Pool, one: Waiting, num_bytes: int | None = None) -> None:
        """The pool was moved on past a document. num_bytes: what of it goes on."""
        self.touched[pool.topic] = pool
        self._documents += 1
        self._bytes += one.num_bytes if num_bytes is None else num_bytes

    def take(self, bucket: str, num_tokens: int, shares: Mapping[str, float]) -> None:
        """Tokens that were taken of a bucket. shares: of all buckets in the phase that they were taken in."""
        self.taken[bucket] += num_tokens
        before = self.by_shares.pop()[1] if self.by_shares and self.by_shares[-1][0] is shares else 0
        self.by_shares.append((shares, before + num_tokens))

    @property
    def counted(self) -> list[Count]:
        """The mix, and what it should be."""
        asked: dict[str, float] = {}
        for shares, number in self.by_shares:
            for bucket, share in shares.items():
                asked[bucket] = asked.get(bucket, 0.0) + number * share
        # Of a bucket that gets nothing 0 is counted, or it would have no share to be off.
        taken = [Count("mixed_tokens", (bucket,), self.taken[bucket]) for bucket in asked]
        return taken + [Count("mix_target_tokens", (bucket,), number) for bucket, number in asked.items()]

    def erase(self, pool: Pool, uid: int) -> None:
        """What the pool holds of a document is not wanted any more."""
        self.outputs.append(Output(pool.topic, None, key=key(uid)))

    def places(self) -> Iterator[tuple[str, int]]:
        """By topic: the offset before which the first reading is done."""
        return ((topic, pool.readings[0].done) for topic, pool in self.touched.items())


def key(uid: int) -> bytes:
    """Of a document in its pool."""
    return uid.to_bytes(8, "big")
