"""Documents on the wire: protobuf, with fields too large for a message kept in the object store.

    bodies/docs.parsed/2026-11-26/0a1b2c3d…     topic and day (UTC) of the message, digest of the content

Each message has objects of its own: when the messages of a topic and a day are gone, so are its objects'
readers (services/ledger/retention/bodies.py). No message is sent on with what it refers to unread, but as a
dead letter.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import xxhash
from google.protobuf.message import DecodeError

from contracts import Document, Documents, Reference
from services.runtime.clients.store import ObjectStore

# Largest first: one of them is what makes a document large.
_MOVABLE = ("body", "text", "token_ids")
BODIES = "bodies"
_PLACE = f"{BODIES}/".encode()  # in each message that keeps something there
_FIELD = bytes((Documents.DESCRIPTOR.fields_by_name["documents"].number << 3 | 2,))  # 2: a length follows
_LONGEST_TOPIC = 249  # characters: Kafka's limit
_KEY_LENGTH = len(f"{BODIES}//2026-11-26/") + _LONGEST_TOPIC + 32  # at most


def encode(document: Document, store: ObjectStore | None, limit: int, topic: str) -> bytes:
    """Serialise for a topic; while the message is over `limit` bytes, its largest field goes to the store.

    Writing again on the same day changes nothing. Raises DependencyDown.
    """
    document.ClearField("position")
    data = document.SerializeToString()
    if len(data) <= limit or store is None:
        return data
    kept = Document()
    kept.CopyFrom(document)
    sizes = sorted(((len(getattr(kept, field)), field) for field in _MOVABLE), reverse=True)
    for _, field in sizes:
        content = getattr(kept, field)
        raw = content.encode() if isinstance(content, str) else content
        digest = xxhash.xxh3_128_hexdigest(raw)
        key = f"{BODIES}/{topic}/{day_of(time.time())}/{digest}"
        store.put(key, raw)
        kept.ClearField(field)
        kept.references.append(Reference(field=field, key=key, size=len(raw)))
        data = kept.SerializeToString()
        if len(data) <= limit:
            break
    return data


def day_of(seconds: float) -> str:
    """The day of a Unix time, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def least(document: Document) -> int:
    """Bytes of the document's message, at most, when all that can be moved to the store is there."""
    if not any(getattr(document, field) for field in _MOVABLE):
        return document.ByteSize()
    bare = Document()
    bare.CopyFrom(document)
    for field in _MOVABLE:
        if getattr(bare, field):
            bare.ClearField(field)
            bare.references.append(Reference(field=field, key="/" * _KEY_LENGTH, size=1 << 31))
    return bare.ByteSize()


def stored_bytes(data: bytes) -> int:
    """Bytes of what a message keeps in the store; 0 for one that is no Document.

    Nearly every message keeps nothing there, which is seen without taking it apart.
    """
    if _PLACE not in data:
        return 0
    try:
        return sum(reference.size for reference in Document.FromString(data).references)
    except DecodeError:
        return 0


def decode(data: bytes, store: ObjectStore | None) -> Document:
    """The inverse of encode. Raises protobuf's DecodeError, FileNotFoundError, DependencyDown."""
    document = Document.FromString(data)
    fetch(document, store)
    return document


def parsed(values: Sequence[bytes]) -> list[Document]:
    """Documents as they came, without what lies in the store. Raises DecodeError: one of them is none.

    Protobuf gives each message that is parsed memory of its own, and hands that back to the system now and
    then: those of a thousand that are kept for a while take twice the time of these, which share theirs. It
    is freed with the last of them, so `values` are few.
    """
    pieces: list[bytes] = []
    for value in values:
        pieces += (_head(len(value)), value)
    return list(Documents.FromString(b"".join(pieces)).documents)


def _head(size: int) -> bytes:
    """Of one of Documents: its field, and its length as protobuf writes numbers."""
    head = bytearray(_FIELD)
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head)


def fetch(document: Document, store: ObjectStore | None) -> None:
    """Put back what lies in the store. Raises FileNotFoundError, UnicodeDecodeError, DependencyDown."""
    if document.references and store is not None:
        for reference in document.references:
            content = store.get(reference.key)
            setattr(document, reference.field, content.decode() if reference.field == "text" else content)
        del document.references[:]
