"""Bytes of each thing that grows, as they were measured.

RIVER is a river of 3,000 documents in zh, en and code (5,260 bytes of text and 1,211 tokens each, topics with
lz4), JUDGED one of 800 with judges; `corpusworks plan --from FOLDER` makes the same of any river. BENCH is
`make bench`, SOAK `make soak`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALL, KEPT, DROPPED = "all", "kept", "dropped"
RIVER, JUDGED, BENCH, SOAK = "river of 3,000", "river of 800", "make bench", "make soak"
_TEXT, _TOKEN = 0.47, 1.9  # bytes in a topic of a byte of text, and of a token
_PART = 585 / (1 << 22)  # a message of a part, by its tokens

CPU_MS = 3.7  # a document, all processes and servers, without the judges: make bench
SERVED_MS = {"parse": 0.33, "rules": 2.26, "mixer": 0.23, "sink": 0.13}  # of it, by process


@dataclass(frozen=True)
class Size:
    """Bytes of one document: fixed, and by byte of its text, and by token. of: which documents there are.

    each: what it is one of, where that is no document and grows far slower.
    """

    source: str
    fixed: float = 0.0
    text: float = 0.0
    token: float = 0.0
    of: str = ALL
    each: str = ""

    def bytes(self, text: float, tokens: float) -> float:
        """Of one document of so many bytes of text and so many tokens."""
        return self.fixed + self.text * text + self.token * tokens


TOPICS: Mapping[str, Size] = {
    "docs.raw": Size(RIVER, 120, _TEXT),
    "docs.parsed": Size(RIVER, 120, _TEXT),
    "docs.ruled": Size(RIVER, 570, _TEXT),
    "docs.clean": Size(RIVER, 570, _TEXT),
    "docs.classified": Size(RIVER, 570, _TEXT),
    "docs.scored": Size(RIVER, 570, _TEXT),
    "docs.tokenized": Size(RIVER, 570, _TEXT, _TOKEN),
    "docs.routed": Size(RIVER, 570, _TEXT, _TOKEN),
    "docs.unique": Size(RIVER, 570, _TEXT, of=KEPT),
    "pool.{bucket}": Size(RIVER, 430, token=_TOKEN, of=KEPT),
    "docs.mixed": Size(RIVER, 235, token=_TOKEN, of=KEPT),
    "docs.rejected": Size(RIVER, 570, _TEXT, of=DROPPED),
    "dedup.log": Size(SOAK, 333),  # 277 where no document is a page of a crowd
    "docs.ingested": Size(RIVER, each="file that is read"),
    "pool.control": Size(RIVER, each="retraction"),
    "pool.state": Size(RIVER, each="lane"),
    "shards.sealed": Size(RIVER, token=_PART, of=KEPT, each="part"),
    "shards.catalog": Size(RIVER, token=_PART, of=KEPT, each="part"),
    "archive.flush": Size(RIVER, each="run"),
    "archive.documents": Size(RIVER, each="partition"),
    "archive.drops": Size(RIVER, each="partition"),
    "archive.uses": Size(RIVER, each="lane"),
    "archive.uses.flush": Size(RIVER, each="run"),
    "river.tally": Size(
        RIVER, 24
    ),  # told twice, when it comes and when it ends: 8 bytes each, and its groups
    "river.agreed": Size(RIVER, each="setting"),
    "river.starts": Size(RIVER, each="partition and reader"),
    "dlq.redriven": Size(RIVER, each="letter put back"),
    "train.events": Size(RIVER, each="step"),
}

REDIS = "Redis: dedup index"
SENTENCE = 8  # bytes of Redis for each that is remembered: make bench
ARCHIVE_DOCUMENTS, ARCHIVE_DROPS, PARTS = "archive/documents", "archive/drops", "parts"
ARCHIVE_USES = "archive/uses"
OTHERS: Mapping[str, Size] = {
    REDIS: Size(BENCH, 440),  # a page of a crowd takes 1,006 more (SOAK): they are few, and not counted
    ARCHIVE_DOCUMENTS: Size(JUDGED, 250, 0.26, of=KEPT),
    ARCHIVE_DROPS: Size(JUDGED, 250, 0.26, of=DROPPED),
    ARCHIVE_USES: Size(RIVER, 120, of=KEPT),
    PARTS: Size(RIVER, 320, token=2.9, of=KEPT),
}
FIGURES: Mapping[str, Size] = {**TOPICS, **OTHERS}
