"""A part: documents in, three files and their announcement out; a pure function.

Padding is the vocabulary's end-of-document token; the spans of the records say what is real.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts import Document, PartRecord, PartSealed, Span
from services.runtime import Message, VocabularyCard
from services.sink import megatron, records
from services.sink.config import SinkConfig
from services.sink.packing import STRATEGIES, Layout

SUFFIXES = ("bin", "idx", "jsonl")
LAYOUT = 2  # of the files and their announcement; 1 took the vocabulary's digest from the settings

_UINT16, _INT32 = np.dtype("<u2"), np.dtype("<i4")


class Packable(NamedTuple):
    """A document that fits into a part. record: without its spans. tokens: (num_tokens,), uint32."""

    record: PartRecord
    tokens: NDArray[Any]


# The card of a digest.
Vocabularies = Callable[[str], VocabularyCard]


class Unfit(NamedTuple):
    """Why a document cannot be put into a part."""

    reason: str
    detail: str


# The router refuses such documents, before dedup lets one stand for its near-duplicates: here they are the
# sign of a fault in the river's table or of its units.
UNFIT_REASONS = frozenset({"no_tokens", "bad_tokens", "no_vocabulary", "token_out_of_range"})


@dataclass(frozen=True)
class Part:
    """announcement: all of it but sealed_by and sealed_ms. files: by suffix."""

    announcement: PartSealed
    files: dict[str, bytes]


def admit(message: Message, document: Document, vocabularies: Vocabularies) -> Packable | Unfit:
    """Take what a part needs out of a document of docs.mixed; about 5 µs.

    Raises what `vocabularies` raises for a digest that it does not know.
    """
    data = document.token_ids
    if not data:
        return Unfit("no_tokens", "the document has no token ids; the tokenizer runs before the mixer")
    if len(data) != 4 * document.num_tokens:
        told = f"{len(data)} bytes of token ids for {document.num_tokens} tokens; each takes 4"
        return Unfit("bad_tokens", told)
    if not document.tokenizer:
        return Unfit("no_vocabulary", "the document does not say of which vocabulary its token ids are")
    tokens = np.frombuffer(data, "<u4")
    size = vocabularies(document.tokenizer).size
    if (largest := int(tokens.max())) >= size:
        told = f"token {largest}; vocabulary {document.tokenizer} has {size:,}"
        return Unfit("token_out_of_range", told)
    record = PartRecord(
        id=document.id,
        uid=document.uid,
        source=document.source,
        bucket=document.bucket,
        category=document.category,
        language=document.language,
        format=document.format,
        rank=document.rank if document.HasField("rank") else None,
        phase=document.phase,
        use=document.use,
        cluster=document.cluster,
        num_tokens=document.num_tokens,
        position=PartRecord.Position(lane=message.partition, offset=message.offset),
    )
    return Packable(record, tokens)


def build(packables: Sequence[Packable], lane: int, config: SinkConfig, vocabulary: VocabularyCard) -> Part:
    """Pack at least one document, all of one phase and one vocabulary and in the order of the lane."""
    layout = STRATEGIES[config.packing]([len(p.tokens) for p in packables], config.sequence_length)
    out = _place(packables, layout, config.sequence_length, vocabulary)
    files = {
        "bin": out.tobytes(),
        "idx": megatron.write_index(out.dtype, layout.num_sequences, config.sequence_length),
        "jsonl": _lines(packables, layout, config.sequence_length),
    }
    bucket_tokens: Counter[str] = Counter()
    for packable in packables:
        bucket_tokens[packable.record.bucket] += len(packable.tokens)
    first, last = packables[0].record, packables[-1].record
    announcement = PartSealed(
        name=part_name(lane, first.position.offset, last.position.offset),
        lane=lane,
        first_offset=first.position.offset,
        last_offset=last.position.offset,
        phase=first.phase,
        num_documents=len(packables),
        num_tokens=bucket_tokens.total(),
        num_sequences=layout.num_sequences,
        sequence_length=config.sequence_length,
        bucket_tokens=bucket_tokens,
        sha256={suffix: hashlib.sha256(data).hexdigest() for suffix, data in files.items()},
        packing=config.packing,
        tokenizer=vocabulary.digest,
        layout=LAYOUT,
    )
    return Part(announcement, files)


def repack(
    messages: Iterable[Message], lane: int, config: SinkConfig, vocabulary: VocabularyCard
) -> Part | None:
    """The part that the sink makes of these messages of docs.mixed, or None when no document in them fits.

    To check a part against the log: its messages are those from first_offset to last_offset.
    """
    admitted = (admit(m, m.document, lambda _: vocabulary) for m in messages if m.document is not None)
    packables = [packable for packable in admitted if isinstance(packable, Packable)]
    return build(packables, lane, config, vocabulary) if packables else None


def part_name(lane: int, first_offset: int, last_offset: int) -> str:
    """The path of a part below `parts/`, without suffix; sorts in the order of the lane."""
    return f"lane-{lane:03d}/part-{lane:03d}-{first_offset:012d}-{last_offset:012d}"


def _place(
    packables: Sequence[Packable], layout: Layout, sequence_length: int, vocabulary: VocabularyCard
) -> NDArray[Any]:
    """The tokens at their places and padding elsewhere: (num_sequences * sequence_length,)."""
    token_type = _UINT16 if vocabulary.size <= 1 << 16 else _INT32
    out = np.full(layout.num_sequences * sequence_length, vocabulary.end_of_document, token_type)
    begin = layout.sequence * sequence_length + layout.offset
    pieces = (layout.document, layout.start, layout.length, begin)
    for document, start, length, at in zip(*(column.tolist() for column in pieces), strict=True):
        out[at : at + length] = packables[document].tokens[start : start + length]
    return out


def _lines(packables: Sequence[Packable], layout: Layout, sequence_length: int) -> bytes:
    begin = layout.sequence * sequence_length + layout.offset
    spans: list[list[Span]] = [[] for _ in packables]
    for document, start, end in zip(
        layout.document.tolist(), begin.tolist(), (begin + layout.length).tolist(), strict=True
    ):
        spans[document].append(Span(start=start, end=end))
    lines = []
    for packable, where in zip(packables, spans, strict=True):
        record = PartRecord(spans=where)
        record.MergeFrom(packable.record)
        lines.append(records.to_line(record))
    return b"".join(lines)
