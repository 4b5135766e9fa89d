"""The files of the archive in the object store, and which of them count.

    archive/drops/day=2026-11-26/docs.rejected-1a2b3c4d-003-000000000100-000000000199.parquet
    archive/drops/day=2026-11-26/_docs.rejected-1a2b3c4d-003-000000000100-000000000199.json, ….ids

The name says whose rows it holds: topic, eight digits of its id, partition, first and last offset. A file
counts once it is announced; the mark beside it, an object that never changes, says so to who has no Kafka:
one listing gives all that counts, and one more file costs one more mark, however many there are. (Spark,
Hive and Arrow pass over names that begin with an underscore.) The .ids is its index of ids and uids.

Of a day that was compacted (services/archive/compact.py) the names say which uids a file holds:

    archive/drops/day=2026-11-26/merged-0123456789abcdef-0000a1b2c3d4e5f6-3fff01234567abcd.parquet
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from contracts import ArchiveFile
from services.runtime import CorpusworksError, ObjectStore

logger = structlog.get_logger(__name__)

ARCHIVE = "archive"
_FIELDS = [field.name for field in ArchiveFile.DESCRIPTOR.fields]
_STEM = re.compile(r"(?P<rows_of>[\w.-]+-[0-9a-f]{8}-\d+)-(?P<first>\d+)-\d+")
_MERGED = re.compile(r"merged-[0-9a-f]{16}-(?P<low>[0-9a-f]{16})-(?P<high>[0-9a-f]{16})")
_MERGE_MARK = re.compile(r"_merged-[0-9a-f]{16}\.json")


def day_of(timestamp_ms: int) -> str:
    """The day of a time in Unix milliseconds, UTC: 2026-11-26."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d")


def folder_of(table: str, day: str) -> str:
    """Of a day's files, below archive/."""
    return f"{table}/day={day}"


def file_key(name: str) -> str:
    """The key of a file in the object store. name: as it is announced."""
    return f"{ARCHIVE}/{name}.parquet"


def mark_key(name: str) -> str:
    """The key of its mark."""
    return _beside(name, "json")


def ids_key(name: str) -> str:
    """The key of its index of ids."""
    return _beside(name, "ids")


def staged_key(name: str) -> str:
    """The key of a file that a merge has written and not put in its place yet; no reader's pattern has it."""
    return _beside(name, "new")


def uid_range(name: str) -> tuple[str, str] | None:
    """The first and last uid of a merged file, inclusive; None of one as it was announced: any."""
    found = _MERGED.fullmatch(name.rpartition("/")[2])
    return (found["low"], found["high"]) if found else None


def days(store: ObjectStore, table: str) -> list[str]:
    """Days of which there are files. Raises DependencyDown."""
    keys = store.list(f"{ARCHIVE}/{table}")
    return sorted({part[4:] for key in keys if (part := key.split("/")[2]).startswith("day=")})


def counting(store: ObjectStore, table: str, day: str = "") -> list[str]:
    """Names of a table's files that count, by day and topic; those without a mark were never announced.

    Of files that were merged into others, either they count or those, never both. Raises DependencyDown,
    CorpusworksError for a mark of a merge that is damaged.
    """
    prefix = folder_of(table, day) if day else table
    while True:
        keys = set(store.list(f"{ARCHIVE}/{prefix}"))
        try:
            merges = [read_merge(store, key) for key in sorted(keys) if is_merge_mark(key)]
        except FileNotFoundError:  # it has just become superfluous: look again
            continue
        found = _marked(keys)
        in_force = [merge for merge in merges if merge.is_in_place(keys)]
        found.update(name for merge in in_force for name in merge.made)
        return sorted(found.difference(*(merge.replaced for merge in in_force)))


@dataclass(frozen=True)
class Merge:
    """Says that files hold the rows of others, as soon as all of them are in place.

    key: of its mark. made: name -> what its own mark will say. begun: Unix time at which this was said.
    """

    key: str
    made: dict[str, dict[str, Any]]
    replaced: tuple[str, ...]
    begun: float

    def is_in_place(self, keys: Collection[str]) -> bool:
        """Whether it is in force, as a listing has it."""
        return all(file_key(name) in keys for name in self.made)

    def mark(self, store: ObjectStore) -> bool:
        """Write it, if there is none by its name; whether it did."""
        plain = {"made": self.made, "replaced": self.replaced, "begun": self.begun}
        return store.create(self.key, json.dumps(plain).encode() + b"\n")


def merge_key(table: str, day: str, digest: str) -> str:
    """The key of a merge's mark. digest: 16 hex digits, of what it replaces."""
    return f"{ARCHIVE}/{folder_of(table, day)}/_merged-{digest}.json"


def is_merge_mark(key: str) -> bool:
    """Whether it is the key of a merge's mark."""
    return _MERGE_MARK.fullmatch(key.rpartition("/")[2]) is not None


def read_merge(store: ObjectStore, key: str) -> Merge:
    """Raises FileNotFoundError, DependencyDown, CorpusworksError for one that is damaged."""
    data = store.get(key)
    try:
        plain = json.loads(data)
        return Merge(key, dict(plain["made"]), tuple(plain["replaced"]), float(plain["begun"]))
    except (LookupError, TypeError, ValueError) as error:
        raise CorpusworksError(f"{key} in {store.url} is damaged ({error}): put a copy of it back") from error


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
        return f"{folder_of(self.table, day)}/{self.rows_of}-{first_offset:012d}-{last_offset:012d}"

    def remove_orphans(self, day: str, offset: int) -> None:
        """Remove what an earlier try has written from this offset on and not announced.

        day: that of the message at this offset, and so that of the file which a try begins with it. A file
        that has a mark is never removed.
        """
        keys = set(self.store.list(f"{ARCHIVE}/{folder_of(self.table, day)}"))
        kept = {key for name in _marked(keys) for key in (file_key(name), ids_key(name))}
        orphans = sorted(key for key in keys - kept if self._is_ours(key, offset))
        if orphans:
            logger.warning("removing files that were never announced", keys=orphans)
            self.store.delete(orphans)

    def _is_ours(self, key: str, offset: int) -> bool:
        stem, _, suffix = key.rpartition("/")[2].rpartition(".")
        found = _STEM.fullmatch(stem.removeprefix("_"))
        ours = found is not None and found["rows_of"] == self.rows_of and int(found["first"]) >= offset
        return ours and suffix in {"parquet", "ids"}


def as_plain(announced: ArchiveFile) -> dict[str, Any]:
    """What a mark says."""
    plain = {name: getattr(announced, name) for name in _FIELDS}
    for name in ("min_uid", "max_uid"):
        plain[name] = f"{plain[name]:016x}"
    return plain


def mark(store: ObjectStore, announced: ArchiveFile) -> None:
    """Say beside the file that it counts; may be repeated. Raises DependencyDown."""
    put_mark(store, as_plain(announced))


def put_mark(store: ObjectStore, plain: dict[str, Any]) -> None:
    """The same, of what a mark says."""
    store.create(mark_key(plain["name"]), json.dumps(plain, ensure_ascii=False).encode() + b"\n")


def _beside(name: str, suffix: str) -> str:
    folder, _, stem = name.rpartition("/")
    return f"{ARCHIVE}/{folder}/_{stem}.{suffix}"


def _marked(keys: Collection[str]) -> set[str]:
    names = (key.removeprefix(f"{ARCHIVE}/").removesuffix(".parquet") for key in keys)
    return {name for name in names if file_key(name) in keys and mark_key(name) in keys}
