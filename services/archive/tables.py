"""What the tables of the archive hold: their columns, and the rows that a message becomes.

uid and cluster are 16 hexadecimal digits as in the records of parts, so that both can be joined. What is not
known (no language yet, no scorer) is null. `day` is in the path of a file and no column in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog

from contracts import Document, PartSealed, Rejection, Removed
from services.runtime import Message, ObjectStore, fetch, json_lines, topics

logger = structlog.get_logger(__name__)

Row = dict[str, Any]

_OF_A_DOCUMENT = {
    "uid": "string",
    "id": "string",
    "source": "string",
    "media_type": "string",
    "ingested": "time",
    "language": "string",
    "format": "string",
    "category": "string",
    "score": "float",
    "rank": "float",
    "calibration": "string",
    "bucket": "string",
    "cluster": "string",
    "num_tokens": "int",
    "tokenizer": "string",
    "features": "numbers",
    "metadata": "strings",
    "text": "string",
    "removed": "string",  # JSON: what services/sentences took out of the text, and why
}
_OF_A_PLACE = {"topic": "string", "partition": "int", "offset": "int", "logged": "time"}


@dataclass(frozen=True, eq=False)
class Table:
    """A table: columns by name with their kind (see file.py); written: the topic of its announcements.

    rows: of a message; none where it is none of the table's. Raises DependencyDown.
    flush: the topic that asks for what has come to be written now.
    listed: a column of which each file's footer names the values, so that they are known without its rows.
    """

    name: str
    columns: Mapping[str, str]
    written: str
    flush: str
    rows: Callable[[Message, ObjectStore], Sequence[Row]]
    listed: str = ""


def _document(message: Message, _store: ObjectStore) -> Sequence[Row]:
    document = message.document
    return [] if document is None else [_of_a_document(document) | _of_a_place(message)]


def _drop(message: Message, store: ObjectStore) -> Sequence[Row]:
    found = message.value
    if not isinstance(found, Rejection):
        return []
    document = found.document
    try:
        fetch(document, store)
    except (FileNotFoundError, UnicodeDecodeError) as error:
        # The drop stands all the same: why it went is known, and most of what it was.
        logger.warning("a dropped text is not in the store any more", id=document.id, error=repr(error))
    said: Row = {
        "unit": found.unit,
        "reason": found.reason,
        "measured": found.measured if found.HasField("measured") else None,
        "threshold": found.threshold if found.HasField("threshold") else None,
        "detail": found.detail or None,
        "rejected": found.rejected_ms,
        "body": document.body or None,
    }
    return [_of_a_document(document) | said | _of_a_place(message)]


def _uses(message: Message, store: ObjectStore) -> Sequence[Row]:
    """A row for each record of the part that a message announces."""
    part = message.value
    if not isinstance(part, PartSealed) or (part.numbered and part.name in _known_parts(store)):
        return []
    place = _of_a_place(message)
    try:
        records = json_lines(store.get(f"parts/{part.name}.jsonl"))
        return [_of_a_use(record, part) | place for record in records]
    except (FileNotFoundError, LookupError, TypeError, ValueError) as error:
        # No waiting mends it: the part stands as it was announced, and `parts verify` tells what it lacks.
        logger.error("the uses of a part cannot be read", part=part.name, error=repr(error))
        return []


@cache
def _known_parts(store: ObjectStore) -> frozenset[str]:
    """For parts that were announced anew (`parts adopt`): their uses stay as they were archived before."""
    from services.archive.query import listed

    return frozenset(listed(store, USES))


def _of_a_use(record: Mapping[str, Any], part: PartSealed) -> Row:
    spans = [(int(start), int(end)) for start, end in record["spans"]]
    return {
        "uid": str(record["uid"]),
        "id": str(record["id"]),
        "part": part.name,
        "number": None,
        "sequences": list(dict.fromkeys(start // part.sequence_length for start, _ in spans)),
        "spans": [{"start": start, "end": end} for start, end in spans],
        "bucket": str(record["bucket"]),
        "phase": str(record["phase"]),
        "use": int(record["use"]),
        "recipe": record.get("recipe") or None,
        "num_tokens": int(record["num_tokens"]),
        "mixed_offset": int(record["offset"]),
    }


def _of_a_document(document: Document) -> Row:
    return {
        "uid": f"{document.uid:016x}",
        "id": document.id,
        "source": document.source,
        "media_type": document.media_type or None,
        "ingested": document.ingested_ms or None,
        "language": document.language or None,
        "format": document.format or None,
        "category": document.category or None,
        "score": document.score if document.HasField("score") else None,
        "rank": document.rank if document.HasField("rank") else None,
        "calibration": document.calibration or None,
        "bucket": document.bucket or None,
        "cluster": f"{document.cluster:016x}" if document.cluster else None,
        "num_tokens": document.num_tokens,
        "tokenizer": document.tokenizer or None,
        # In order: protobuf gives maps in any, and a replay must write the same bytes.
        "features": sorted(document.features.items()),
        "metadata": sorted(document.metadata.items()),
        "text": document.text or None,
        "removed": _removed(document),
    }


def _removed(document: Document) -> str | None:
    cuts = [{name: getattr(cut, name) for name in _CUT} for cut in document.removed]
    return json.dumps(cuts, ensure_ascii=False) if cuts else None


def document_of(row: Mapping[str, Any]) -> Document:
    """The document of a row of documents or drops, as far as the archive has it: without its token ids."""
    document = Document(uid=int(row["uid"], 16), id=row["id"], source=row["source"])
    for name in (*_TOLD, "text", "body"):
        if row.get(name) is not None:
            setattr(document, name, row[name])
    if row.get("ingested") is not None:
        document.ingested_ms = round(row["ingested"].timestamp() * 1000)
    document.features.update(dict(row["features"] or ()))
    document.metadata.update(dict(row["metadata"] or ()))
    document.removed.extend(Removed(**cut) for cut in json.loads(row.get("removed") or "[]"))
    return document


_CUT = ("text", "at", "host", "documents", "needed")
# Columns that are called as fields of a document are, and can be put back as they are. Bucket, cluster and
# tokens are not among them: they are given anew.
_TOLD = ("media_type", "language", "format", "category", "score", "rank", "calibration")


def _of_a_place(message: Message) -> Row:
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "logged": message.timestamp_ms,
    }


DOCUMENTS = Table(
    name="documents",
    columns=_OF_A_DOCUMENT | _OF_A_PLACE,
    written=topics.ARCHIVED_DOCUMENTS,
    flush=topics.ARCHIVE_FLUSH,
    rows=_document,
)
_OF_A_DROP = {
    "unit": "string",
    "reason": "string",
    "measured": "double",
    "threshold": "double",
    "detail": "string",
    "rejected": "time",
    "body": "bytes",  # where parse found no text in it
}
DROPS = Table(
    name="drops",
    columns=_OF_A_DOCUMENT | _OF_A_DROP | _OF_A_PLACE,
    written=topics.ARCHIVED_DROPS,
    flush=topics.ARCHIVE_FLUSH,
    rows=_drop,
)
_OF_A_USE = {
    "uid": "string",
    "id": "string",
    "part": "string",
    "number": "int",  # of the part in the catalog: `archive compact` fills it in
    "sequences": "ints",  # within the part, those that have tokens of it, as the text runs
    "spans": "spans",  # half-open, in tokens of the part, each within one sequence
    "bucket": "string",
    "phase": "string",
    "use": "int",  # the n-th: its pass
    "recipe": "string",
    "num_tokens": "int",
    "mixed_offset": "int",  # in docs.mixed of its lane, which is the partition
}
USES = Table(
    name="uses",
    columns=_OF_A_USE | _OF_A_PLACE,
    written=topics.ARCHIVED_USES,
    flush=topics.USES_FLUSH,
    rows=_uses,
    listed="part",
)
TABLES: Mapping[str, Table] = {table.name: table for table in (DOCUMENTS, DROPS, USES)}


def num_bytes(row: Row) -> int:
    """About what a row takes in memory: its text and body, and a little for the rest."""
    text, body = row.get("text"), row.get("body")
    return 512 + (len(text.encode()) if text else 0) + (len(body) if body else 0)


def in_order(rows: Sequence[Row]) -> list[Row]:
    """As they lie in a file: by uid, so that each row group has a range of its own."""
    return sorted(rows, key=lambda row: (row["uid"], row["offset"]))
