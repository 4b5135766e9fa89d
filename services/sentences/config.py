"""Settings of sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.sentences.bucket import SLOTS


@dataclass(frozen=True)
class SentencesConfig:
    """Of which documents repeated sentences are taken out, and what counts as repeated.

    It is off, and mild where it is on, since the plain rule is known to hurt: all but one of each line, or of
    each three lines, that occurs more than once took 75 to 85 % of the tokens away, and models became worse
    (Penedo et al. 2024, FineWeb, 3.4).

    of: patterns of hosts, or of sources where a document has no url (`*`, `*.example.com`, `s3://bucket/*`);
        with none of them the unit passes everything on and asks for no server.
    host_documents, host_share: a sentence goes when so many documents of its host have it, and when these are
        so great a share of the documents of that host; so what is said now and then on a large host stays.
    span_documents: three sentences in a row go when so many documents have them, of whatever hosts (C4, which
        keeps one of them: Raffel et al. 2020).
    min_line, min_sentence, min_span: what weighs less is never counted: a line by itself, a sentence beside
        others in its line, three sentences. In bytes of letters, of which a Chinese one has 3: ten words of
        English (FineWeb counted lines from there) are some 45.
    copy_share: a document of which more is repeated is a copy of others rather than a text in a frame. It is
        left whole for dedup, which compares whole texts and keeps the best.
    entries: how many sentences Redis remembers, at 8 bytes each; those not seen for longest are forgotten
        first, the frequent ones later. Fixed for the life of an index.
    learn: false looks up and counts nothing: for a second run over documents that were counted before
        (`sentences rebuild --from`), each of which would count twice.
    index, prefix, shards, sync_timeout_s, durable: as of dedup.
    """

    of: tuple[str, ...] = ()
    host_documents: int = 4
    host_share: float = 0.02
    span_documents: int = 8
    min_line: int = 30
    min_sentence: int = 45
    min_span: int = 120
    copy_share: float = 0.8
    entries: int = 1 << 24
    learn: bool = True
    index: Literal["redis", "memory"] = "redis"
    shards: int = 1
    prefix: str = "sentences"
    sync_timeout_s: float = 5.0
    durable: bool = True

    def __post_init__(self) -> None:
        if self.host_documents < 2 or self.span_documents < 2:
            raise ValueError("host_documents, span_documents: 2 or more; what is there once is not repeated")
        for name in ("host_share", "copy_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: a share from 0 to 1 is needed, not {getattr(self, name)}")
        for name in ("min_line", "min_sentence", "min_span"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: 1 byte or more is needed, not {getattr(self, name)}")
        if not 1 <= self.shards <= 16_384 or not self.prefix or "{" in self.prefix or "}" in self.prefix:
            raise ValueError("shards must be 1 to 16384; prefix must be a name without braces")
        if not SLOTS * self.shards <= self.entries <= 1 << 32:
            raise ValueError(f"entries: {SLOTS} a shard to 4294967296 are possible, not {self.entries}")
        if not 0 < self.sync_timeout_s <= 3600:
            raise ValueError(f"sync_timeout_s: above 0, to 3600, is possible, not {self.sync_timeout_s}")

    @property
    def unit(self) -> str:
        """Whose index it is; with the next two as state.Kept."""
        return "sentences"

    @property
    def layout(self) -> str:
        """What the counts cannot be read without."""
        return f"1 entries={self.entries} shards={self.shards}"

    @property
    def remade_from(self) -> str:
        """For a person."""
        return "the documents that docs.clean of this Kafka still holds"
