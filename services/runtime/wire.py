"""Documents on the wire: protobuf, with fields too large for a message kept in the object store."""

from __future__ import annotations

import xxhash

from contracts import Document, Reference
from services.runtime.clients.store import ObjectStore

# Largest first: one of them is what makes a document large.
_MOVABLE = ("body", "text", "token_ids")
_KEY_LENGTH = len("bodies/00/") + 32


def encode(document: Document, store: ObjectStore | None, limit: int) -> bytes:
    """Serialise; while the message is over `limit` bytes, its largest field goes to the store.

    Keys are made of the content, so writing again changes nothing. Raises DependencyDown.
    """
    document.ClearField("position")
    data = document.SerializeToString()
    if len(data) <= limit or store is None:
        return data
    kept = Document()
    kept.CopyFrom(document)
    sizes = sorted(((len(getattr(kept, field)), field) for field in _MOVABLE), reverse=True)
    for size, field in sizes:
        content = getattr(kept, field)
        raw = content.encode() if isinstance(content, str) else content
        digest = xxhash.xxh3_128_hexdigest(raw)
        key = f"bodies/{digest[:2]}/{digest}"  # of _KEY_LENGTH characters
        store.put(key, raw)
        kept.ClearField(field)
        kept.references.append(Reference(field=field, key=key, size=size))
        data = kept.SerializeToString()
        if len(data) <= limit:
            break
    return data


def least(document: Document) -> int:
    """Bytes of the document's message when all that can be moved to the store is there."""
    if not any(getattr(document, field) for field in _MOVABLE):
        return document.ByteSize()
    bare = Document()
    bare.CopyFrom(document)
    for field in _MOVABLE:
        if getattr(bare, field):
            bare.ClearField(field)
            bare.references.append(Reference(field=field, key="/" * _KEY_LENGTH, size=1 << 31))
    return bare.ByteSize()


def decode(data: bytes, store: ObjectStore | None) -> Document:
    """The inverse of encode. Raises protobuf's DecodeError, FileNotFoundError, DependencyDown."""
    document = Document.FromString(data)
    fetch(document, store)
    return document


def fetch(document: Document, store: ObjectStore | None) -> None:
    """Put back what lies in the store. Raises FileNotFoundError, UnicodeDecodeError, DependencyDown."""
    if document.references and store is not None:
        for reference in document.references:
            content = store.get(reference.key)
            setattr(document, reference.field, content.decode() if reference.field == "text" else content)
        del document.references[:]
