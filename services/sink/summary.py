"""A part at a glance: what is in it by bucket, language and source, and how it is packed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contracts import PartRecord, PartSealed

_RECORD_NUMBER = re.compile(r"#\d+$")


@dataclass(frozen=True)
class Share:
    """documents, tokens: counts; a document's end token is counted, padding is not."""

    documents: int
    tokens: int


@dataclass(frozen=True)
class Summary:
    """The shares have the one with most tokens first; a source is a file, whatever its record.

    padding: 0..1, of all tokens of the part. num_cut: documents that lie in more than one sequence.
    """

    buckets: dict[str, Share]
    languages: dict[str, Share]
    sources: dict[str, Share]
    padding: float
    num_cut: int


def summarise(part: PartSealed, records: Sequence[PartRecord]) -> Summary:
    """records: all of the part."""
    return Summary(
        buckets=_shares([record.bucket for record in records], records),
        languages=_shares([record.language for record in records], records),
        sources=_shares([_RECORD_NUMBER.sub("", record.source) for record in records], records),
        padding=padding(part),
        num_cut=sum(len(record.spans) > 1 for record in records),
    )


def padding(part: PartSealed) -> float:
    """The share of a part's tokens that are of no document, 0..1."""
    size = part.num_sequences * part.sequence_length
    return 1 - part.num_tokens / size if size else 0.0


def _shares(names: Sequence[str], records: Sequence[PartRecord]) -> dict[str, Share]:
    documents = Counter(names)
    tokens: Counter[str] = Counter()
    for name, record in zip(names, records, strict=True):
        tokens[name] += record.num_tokens
    ranked = sorted(documents, key=lambda name: (-tokens[name], name))
    return {name: Share(documents[name], tokens[name]) for name in ranked}
