"""The signature of each document: made of its text, or as it brings it."""

from __future__ import annotations

from collections.abc import Sequence

from contracts import Document
from services.dedup import foreign
from services.dedup.config import DedupConfig
from services.dedup.sketch import Sketches, sketch


def signed(documents: Sequence[Document], texts: Sequence[str], config: DedupConfig) -> Sketches:
    """Of n documents, and their texts as they are compared. Those with a fault must have been left out."""
    if config.foreign is None:
        return sketch(texts, config.bands, config.rows, config.least_threshold)
    return foreign.sketches(documents, config.foreign, config.bands, config.rows)


def fault(document: Document, config: DedupConfig) -> str | None:
    """Why it cannot be signed, and what to do about it; None where it can."""
    return foreign.fault(document, config.foreign) if config.foreign else None
