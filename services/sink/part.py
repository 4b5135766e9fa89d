"""A part: documents in, three files and their announcement out; a pure function.

Padding is the vocabulary's end-of-document token; the spans of the records say what is real.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts import Document, PartRecord, PartSealed
from services.runtime import Message, Vocabularies, VocabularyCard
from services.sink import megatron, records
from services.sink.config import SinkConfig
from services.sink.packing import Layout, shuffled
from services.sink.strategies import SHUFFLED, STRATEGIES, Window

SUFFIXES = ("bin", "idx", "jsonl")
# Of the files and their announcement. 1 took the vocabulary's digest from the settings; 2 had no url, licence
# and title in the records, 3 no vocabulary.
LAYOUT = 4

_NAME = re.compile(r"lane-\d+/part-\d+-([0-9a-f]{8})-\d+-\d+")

_UINT16, _INT32 = np.dtype("<u2"), np.dtype("<i4")


def stream_name(topic_id: str) -> str:
    """Eight digits that tell one docs.mixed from the next, of the same offsets. topic_id: Kafka's."""
    return f"{zlib.crc32(topic_id.encode()):08x}"


NO_STREAM = stream_name("")  # where no id is known


class Packable(NamedTuple):
    """A document that fits into a part. record: without its spans. tokens: (num_tokens,), uint32.

    thread: the conversation or customer that it belongs to; it goes no further. packing: as its phase says.
    """

    record: PartRecord
    tokens: NDArray[Any]
    thread: str = ""
    packing: str = ""


# The router refuses such documents, before dedup lets one stand for its near-duplicates: here they are the
# sign of a fault in the river's table or of its units.
UNFIT_REASONS = Vocabularies.FAULTS


@dataclass(frozen=True)
class Part:
    """announcement: all of it but sealed_by and sealed_ms. files: by suffix."""

    announcement: PartSealed
    files: dict[str, bytes]


def packable(message: Message, document: Document) -> Packable:
    """Take what a part needs out of a document of docs.mixed that has no fault; about 5 µs."""
    said = document.metadata
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
        recipe=document.recipe,
        use=document.use,
        cluster=document.cluster,
        num_tokens=document.num_tokens,
        position=PartRecord.Position(lane=message.partition, offset=message.offset),
        url=said.get("url", ""),
        licence=said.get("licence", ""),
        title=said.get("title", ""),
        tokenizer=document.tokenizer,
    )
    tokens = np.frombuffer(document.token_ids, "<u4")
    return Packable(record, tokens, said.get("thread", ""), document.packing)


def build(
    packables: Sequence[Packable], lane: int, config: SinkConfig, vocabulary: VocabularyCard, stream: str
) -> Part:
    """Pack at least one document, all of one phase, recipe and vocabulary and in the order of the lane."""
    first, last = packables[0].record, packables[-1].record
    name = part_name(lane, stream, first.position.offset, last.position.offset)
    packing = packables[0].packing or config.packing
    layout = STRATEGIES[packing](_window(packables), config.sequence_length)
    shuffle = config.shuffle or packing in SHUFFLED
    if shuffle:
        layout = shuffled(layout, name)
    out = _place(packables, layout, config.sequence_length, vocabulary)
    files = {
        "bin": out.tobytes(),
        "idx": megatron.write_index(out.dtype, layout.num_sequences, config.sequence_length),
        "jsonl": _lines(packables, layout, config.sequence_length),
    }
    bucket_tokens: Counter[str] = Counter()
    for one in packables:
        bucket_tokens[one.record.bucket] += len(one.tokens)
    announcement = PartSealed(
        name=name,
        lane=lane,
        first_offset=first.position.offset,
        last_offset=last.position.offset,
        phase=first.phase,
        recipe=first.recipe,
        num_documents=len(packables),
        num_tokens=bucket_tokens.total(),
        num_sequences=layout.num_sequences,
        sequence_length=config.sequence_length,
        bucket_tokens=bucket_tokens,
        sha256={suffix: hashlib.sha256(data).hexdigest() for suffix, data in files.items()},
        packing=f"{packing}, shuffled" if shuffle else packing,
        tokenizer=vocabulary.digest,
        layout=LAYOUT,
    )
    return Part(announcement, files)


def repack(
    messages: Iterable[Message],
    lane: int,
    config: SinkConfig,
    vocabularies: Vocabularies,
    stream: str = NO_STREAM,
) -> Part | None:
    """The part that the sink makes of these messages of docs.mixed, or None when no document in them fits.

    To check a part against the log: its messages are those from first_offset to last_offset.
    """
    documents = [(m, m.document) for m in messages if m.document is not None]
    fit = [(m, document) for m, document in documents if vocabularies.fault(document) is None]
    if not fit:
        return None
    vocabulary = vocabularies.card(fit[0][1].tokenizer)
    return build([packable(*pair) for pair in fit], lane, config, vocabulary, stream)


def part_name(lane: int, stream: str, first_offset: int, last_offset: int) -> str:
    """The path of a part below `parts/`, without suffix; sorts in the order of its stream."""
    return f"lane-{lane:03d}/part-{lane:03d}-{stream}-{first_offset:012d}-{last_offset:012d}"


def stream_of(name: str) -> str:
    """The stream in a part's name. Raises ValueError when it is no part's."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the name of a part")
    return match[1]


def _window(packables: Sequence[Packable]) -> Window:
    return Window(
        tokens=[each.tokens for each in packables],
        threads=[each.thread for each in packables],
        copies=[each.record.cluster or each.record.uid for each in packables],
    )


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
    spans: list[list[tuple[int, int]]] = [[] for _ in packables]
    for document, start, end in zip(
        layout.document.tolist(), begin.tolist(), (begin + layout.length).tolist(), strict=True
    ):
        spans[document].append((start, end))
    return b"".join(records.to_line(one.record, where) for one, where in zip(packables, spans, strict=True))
