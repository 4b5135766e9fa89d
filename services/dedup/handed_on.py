"""What goes on of a document that stays: its tokens and record fields to a pool, its text to the archive."""

from __future__ import annotations

from contracts import Document
from services.dedup.provenance import provenance
from services.runtime import Also, topics


def split(document: Document) -> tuple[Document, Also]:
    """The document for its pool, and the same with its text and without its tokens beside it.

    A pool is read again and again and kept for good, so it holds nothing that no part asks for: text, body
    and what was taken out of the text stay behind, and of the metadata all but provenance. The token ids of
    the given document are cleared.
    About 20 µs at 5 kB.
    """
    pooled = Document()
    pooled.CopyFrom(document)
    for name in ("text", "body", "metadata", "removed"):
        pooled.ClearField(name)
    if kept := provenance(document.metadata):
        pooled.metadata.update(kept)
    document.ClearField("token_ids")
    return pooled, Also(topics.UNIQUE, document, document.uid.to_bytes(8, "big"), document.uid)
