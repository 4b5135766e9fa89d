"""Settings of dedup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.dedup import namespaces
from services.dedup.foreign import FEWEST, MOST, Foreign, Scheme
from services.dedup.layout import layout
from services.dedup.namespaces import Namespace
from services.dedup.sketch import BINS


def _category_thresholds() -> Mapping[str, float]:
    # Syndicated news is rewritten more than it is copied; books are reprinted (DESIGN, dedup).
    return {"news": 0.7, "book": 0.8}


@dataclass(frozen=True)
class DedupConfig:
    """How alike two documents must be, and where the index lies.

    index: redis, shared by all replicas; or memory, for one process and one run.
    threshold: estimated Jaccard of 5-character shingles from which two documents are near-duplicates, of
        short ones that of their grams, which is then at least 0.82: see fine_sketch.py
        (0.8: Lee et al. 2022, "Deduplicating training data makes language models better", appendix A).
    category_thresholds: the same by Document.category; a pair takes the higher of its two. The least of all
        says from which length on a short text can be near a longer one, and has keys for it (sketch.py).
    bands, rows: a pair is looked at when all rows of one band agree: 1-(1-J^rows)^bands, which is
        0.97 at J=0.8, 0.91 at 0.75 and 0.78 at 0.7. Each band costs 12.5 bytes and 4 us of the server
        a document. More rows look at fewer strangers, which English texts want above some 10^7
        documents (7 rows with 20 bands). Fixed for the life of an index.
    fold_script: traditional Chinese characters are compared as their simplified ones. Fixed likewise.
    signature: own, made of the text; or datasketch, which each document brings in its field `minhash`: see
        foreign.py. signature_num_perm, signature_seed, signature_scheme: with which all of them were made
        (scheme: affine32 or affine64, legacy before datasketch 2.0). Fixed likewise, and for the river.
    cluster_from: likeness from which two documents that both stay share a cluster (see clusters.py): a third
        of all their shingles are then in one of them alone, and below it the bands find few.
    namespaces: corpora that are apart in the index, or of which one gives way to another; see namespaces.py.
        With another setting what is in the index stays where it is.
    cold_after_days: `corpusworks dedup cool` takes documents that came so long ago out of the full index, and
        keeps their keys in the cold tier: see cold.py; 0: none. cold_documents: for so many the first filter
        there is made, 18 bytes each at once; each further one is as large as all before it.
    shards: independent parts of the index, each on one hash tag, for Redis Cluster, which has 16384 slots.
        Fixed likewise.
    prefix: of every key in Redis.
    sync_timeout_s: how long a batch waits until Redis has its append-only file on disk.
    durable: a server without an append-only file is refused; false accepts that the index has to be
        rebuilt whenever that server restarts.
    """

    index: Literal["redis", "memory"] = "redis"
    threshold: float = 0.8
    category_thresholds: Mapping[str, float] = field(default_factory=_category_thresholds)
    bands: int = 12
    rows: int = 6
    fold_script: bool = True
    signature: Literal["own", "datasketch"] = "own"
    signature_num_perm: int = 128
    signature_seed: int = 1
    signature_scheme: Scheme = "affine32"
    cluster_from: float = 0.5
    namespaces: tuple[Namespace, ...] = ()
    cold_after_days: int = 0
    cold_documents: int = 1_000_000
    shards: int = 1
    prefix: str = "dedup"
    sync_timeout_s: float = 5.0
    durable: bool = True

    def __post_init__(self) -> None:
        for name, value in {"threshold": self.threshold, **self.category_thresholds}.items():
            if not 0.5 <= value <= 1.0:
                raise ValueError(f"{name}: a similarity from 0.5 to 1 is needed, not {value}")
        if not 0.25 <= self.cluster_from <= 1.0:
            raise ValueError(f"cluster_from: a similarity from 0.25 to 1 is needed, not {self.cluster_from}")
        if self.bands < 1 or self.rows < 1 or self.bands * self.rows > BINS:
            raise ValueError(f"bands x rows: 1 to {BINS} is possible, not {self.bands} x {self.rows}")
        if not FEWEST <= self.signature_num_perm <= MOST:
            raise ValueError(
                f"signature_num_perm: {FEWEST} to {MOST} is possible, not {self.signature_num_perm}"
            )
        if not 0 <= self.signature_seed < 1 << 32:
            raise ValueError(f"signature_seed: 0 to 2^32 - 1 is possible, not {self.signature_seed}")
        if self.foreign and self.bands * self.rows > self.signature_num_perm:
            raise ValueError(
                f"bands x rows: signatures of {self.signature_num_perm} values are too short for "
                f"{self.bands} x {self.rows}"
            )
        if not 1 <= self.shards <= 16_384 or not self.prefix or "{" in self.prefix or "}" in self.prefix:
            raise ValueError("shards must be 1 to 16384; prefix must be a name without braces")
        if not 0 <= self.cold_after_days <= 36_500:
            raise ValueError(f"cold_after_days: 0 to 36500 is possible, not {self.cold_after_days}")
        if not 1 <= self.cold_documents <= 10**11:
            raise ValueError(f"cold_documents: 1 to 10^11 is possible, not {self.cold_documents}")
        namespaces.check(self.namespaces)
        if not 0 < self.sync_timeout_s <= 3600:
            raise ValueError(f"sync_timeout_s: above 0, to 3600, is possible, not {self.sync_timeout_s}")

    @property
    def foreign(self) -> Foreign | None:
        """What signatures that documents bring have alike; None where dedup makes them."""
        if self.signature == "own":
            return None
        return Foreign(self.signature_num_perm, self.signature_seed, self.signature_scheme)

    @property
    def unit(self) -> str:
        """Whose index it is; with the next two as state.Kept."""
        return "dedup"

    @property
    def layout(self) -> str:
        """What the index cannot be read without."""
        return layout(self)

    @property
    def remade_from(self) -> str:
        """For a person."""
        return "the dedup.log of this Kafka"

    @property
    def least_threshold(self) -> float:
        """Of all categories. Short texts that came under a greater one have no keys for it: sketch.py."""
        return min(self.threshold, *self.category_thresholds.values())

    def threshold_of(self, category: str) -> float:
        """The threshold of a category."""
        return self.category_thresholds.get(category, self.threshold)
