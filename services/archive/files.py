"""The files of the archive in the object store, and which of them count.

    archive/drops/day=2026-11-26/docs.rejected-1a2b3c4d-003-000000000100-000000000199.parquet
    archive/drops/day=2026-11-26/_docs.rejected-1a2b3c4d-003-000000000100-000000000199.json

The name says whose rows it holds: topic, eight digits of its id, partition, first and last offset. A file
counts once it is announced; the mark beside it, an object that never changes, says so to who has no Kafka:
one listing gives all that counts, and one more file costs one more mark, however many there are. (Spark,
Hive and Arrow pass over names that begin with an underscore.)
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from contracts import ArchiveFile
from services.runtime import ObjectStore

logger = structlog.get_logger(__name__)

ARCHIVE = "archive"
_FIELDS = [field.name for field in ArchiveFile.DESCRIPTOR.fields]
_STEM = re.compile(r"(?P<rows_of>[\w.-]+-[0-9a-f]{8}-\d+)-(?P<first>\d+)-\d+")


def day_of(timestamp_ms: int) -> str:
    """The day of a time in Unix milliseconds, UTC: 2026-11-26."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d")


def file_key(name: str) -> str:
    """The key of a file in the object store. name: as it is announced."""
    return f"{ARCHIVE}/{name}.parquet"


def mark_key(name: str) -> str:
    """The key of its mark."""
    folder, _, stem = name.rpartition("/")
    return f"{ARCHIVE}/{folder}/_{stem}.json"


def counting(store: ObjectStore, table: str) -> list[str]:
    """Names of a table's files that count, by day and topic; those without a mark were never announced.

    Raises DependencyDown.
    """
    return _counting(store.list(f"{ARCHIVE}/{table}"))


@dataclass(frozen=True)
class Files:
    """Those of one partition of one topic. rows_of: topic, digits of its id and partition, as in a name."""

    store: ObjectStore
    table: str
    rows_of: str

    @classmethod
    def of(cls, store: ObjectStore, table: str, topic: str, topic_id: str, partition: int) -> Files:
        """topic_id: Kafka's; its digits tell a topic from one that was made anew, with the same offsets."""
        return cls(store, table, f"{topic}-{zlib.crc32(topic_id.encode()):08x}-{partition:03d}")

    def name(self, day: str, first_offset: int, last_offset: int) -> str:
        """Sorts in the order of the log."""
        return f"{self.table}/day={day}/{self.rows_of}-{first_offset:012d}-{last_offset:012d}"

    def remove_orphans(self, day: str, offset: int) -> None:
        """Remove what an earlier try has written from this offset on and not announced.

        day: that of the message at this offset, and so that of the file which a try begins with it. A file
        that has a mark is never removed.
        """
        keys = set(self.store.list(f"{ARCHIVE}/{self.table}/day={day}"))
        kept = {file_key(name) for name in _counting(keys)}
        orphans = sorted(key for key in keys - kept if self._is_ours(key, offset))
        if orphans:
            logger.warning("removing files that were never announced", keys=orphans)
            self.store.delete(orphans)

    def _is_ours(self, key: str, offset: int) -> bool:
        found = _STEM.fullmatch(key.rpartition("/")[2].removesuffix(".parquet"))
        return found is not None and found["rows_of"] == self.rows_of and int(found["first"]) >= offset


def mark(store: ObjectStore, announced: ArchiveFile) -> None:
    """Say beside the file that it counts; may be repeated. Raises DependencyDown."""
    plain = {name: getattr(announced, name) for name in _FIELDS}
    for name in ("min_uid", "max_uid"):
        plain[name] = f"{plain[name]:016x}"
    store.create(mark_key(announced.name), json.dumps(plain, ensure_ascii=False).encode() + b"\n")


def _counting(keys: Iterable[str]) -> list[str]:
    known = set(keys)
    names = (key.removeprefix(f"{ARCHIVE}/").removesuffix(".parquet") for key in known)
    return sorted(name for name in names if file_key(name) in known and mark_key(name) in known)
