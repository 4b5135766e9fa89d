"""Documents and drops for the archive's tests, and what of them is in a store."""

from __future__ import annotations

from typing import Any

from contracts import Document, Rejection
from services.archive import ArchiveConfig
from services.archive.query import Asked, rows
from services.archive.tables import TABLES
from services.archive.task import DOCUMENTS, USES, Archive
from services.runtime import ObjectStore
from tests.unit.mixer.lane import Lane

POOLS = ["pool.zh", "pool.en"]  # two topics at a time, as any table of the archive may read
DAY_S = 86_400
NAMES = {
    "documents": [*POOLS, "archive.flush"],
    "drops": ["docs.rejected", "archive.flush"],
    "ended": [*POOLS, "docs.rejected", "archive.flush"],
    "uses": ["shards.sealed", "archive.uses.flush"],
}
OTHERS = {"docs.rejected": "drops", "shards.sealed": "uses"}
LOGS = {"documents": DOCUMENTS.logs, "drops": DOCUMENTS.logs, "ended": DOCUMENTS.logs, "uses": USES.logs}


def lane(
    store: ObjectStore,
    table: str = "documents",
    seed: int = 0,
    max_chunk: int = 50,
    topic_id: str = "",
    **config: Any,
) -> Lane:
    """A lane of the archive in memory, on a real store. table: or `ended`, for documents and drops."""
    made = ArchiveConfig(**{"seal_rows": 40, **config})
    ids = {name: f"{topic_id} of {name}" for name in NAMES[table]}

    def build() -> Archive:
        flows = [name for name in NAMES[table] if not name.endswith(".flush")]
        tables = {name: TABLES[OTHERS.get(name, "documents")] for name in flows}
        return Archive(tables, made, store, 0, topic_ids=ids)

    return Lane(build, NAMES[table], LOGS[table], seed, max_chunk)


def document(uid: int, **fields: Any) -> Document:
    """As dedup lets it pass, with its text."""
    known = {
        "source": f"file:///in/{uid}.txt",
        "language": "zh",
        "category": "news",
        "bucket": "zh",
        "ingested_ms": 1_764_000_000_123,
        "num_tokens": uid % 7,
        "features": {"b": 0.5, "a": uid},
        "metadata": {"title": "潮水", "url": "https://example.org"},
        "text": f"第{uid}号文件。" * (uid % 50),
    }
    return Document(uid=uid << 40 | 0xABC, id=f"文/{uid}", **{**known, **fields})


def rejection(uid: int, unit: str = "rules", reason: str = "too_short", **fields: Any) -> Rejection:
    """As it is in docs.rejected."""
    return Rejection(
        document=document(uid, **fields), unit=unit, reason=reason, measured=3, threshold=50, rejected_ms=uid
    )


def archived(store: ObjectStore, table: str = "documents", *more: str) -> list[dict[str, Any]]:
    """What counts, in the order of the log."""
    columns = ["topic", "offset", "uid", "text", "day", *more]
    return sorted(rows(store, TABLES[table], Asked(), columns), key=lambda row: (row["topic"], row["offset"]))


def uids(store: ObjectStore, table: str = "documents") -> list[int]:
    """Numbers of the documents that count, each as often as it is there."""
    return sorted(int(row["uid"], 16) >> 40 for row in archived(store, table))
