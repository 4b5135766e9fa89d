"""A part: its tokens mapped into memory, its documents as arrays.

    NAME.bin     the tokens, sequence after sequence
    NAME.idx     Megatron-LM's index: the token type and the length of each sequence, which is one for all
    NAME.jsonl   a line for each document: its uid, its bucket, its vocabulary and the spans where it lies

A document that is cut has a span in each of its sequences. To the trainer each span is a document of its
own: nothing is seen across the cut, and positions begin at 0 again.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.data.catalog import Entry
from trainer.data.store import Store
from trainer.errors import DataError

HEADER = struct.Struct("<9sQBQQ")  # magic, version, code of the token type, sequences, documents
_MAGIC = b"MMIDIDX\x00\x00"
_TYPES: dict[int, np.dtype[Any]] = {4: np.dtype("<i4"), 8: np.dtype("<u2")}  # those that a sink writes
_MEND = "ask `corpusworks parts verify` what is wrong, and put a copy of its files back"


class Documents(NamedTuple):
    """The spans of all documents of a part, in the order in which they lie; S spans.

    start, end: (S,) int64, tokens of the part. uid: (S,) uint64. bucket: (S,) int16, index into `buckets`.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    uid: NDArray[np.uint64]
    bucket: NDArray[np.int16]
    buckets: tuple[str, ...]
    vocabulary: str  # digest; empty for a part that does not say it


class Shape(NamedTuple):
    """What an index says of the tokens."""

    token_type: np.dtype[Any]
    num_sequences: int
    sequence_length: int


class Part:
    """A part, open as long as somebody holds it or its tokens.

    tokens: (num_sequences, sequence_length), uint16 or int32, mapped. Raises DataError when its files are
    missing, cut, or do not belong together; StoreDown.
    """

    def __init__(self, store: Store, entry: Entry) -> None:
        self.entry = entry
        with _opened(store, entry, "idx") as index:
            self.shape = _shape(index.read(), entry)
        with _opened(store, entry, "bin") as tokens:
            self.tokens = _mapped(tokens, self.shape, entry)
        with _opened(store, entry, "jsonl") as records:
            self.documents = _documents(records, entry)
        self._first = _first_spans(self.documents, self.shape, entry)

    def spans(self, sequence: int) -> slice:
        """Which of the documents' spans lie in a sequence."""
        return slice(int(self._first[sequence]), int(self._first[sequence + 1]))


def num_sequences(store: Store, entry: Entry) -> int:
    """How many sequences a part has, from the head of its index. Raises DataError, StoreDown."""
    try:
        head = store.get_range(f"parts/{entry.name}.idx", 0, HEADER.size)
    except FileNotFoundError:
        raise _missing(store, entry, "idx") from None
    return _header(head, entry)[1]


def fault(entry: Entry, suffix: str, what: object) -> DataError:
    """The error of a part whose files cannot be used."""
    return DataError(
        f"part {entry.name} (number {entry.number} of the catalog): its .{suffix} cannot be used: {what}; "
        + _MEND
    )


def _missing(store: Store, entry: Entry, suffix: str) -> DataError:
    return DataError(
        f"part {entry.name} (number {entry.number} of the catalog): its .{suffix} is not in {store.url}; "
        + _MEND
    )


def _opened(store: Store, entry: Entry, suffix: str) -> BinaryIO:
    try:
        return store.open(f"parts/{entry.name}.{suffix}", entry.sha256.get(suffix, ""))
    except FileNotFoundError:
        raise _missing(store, entry, suffix) from None
    except ValueError as error:
        raise fault(entry, suffix, error) from error


def _header(data: bytes, entry: Entry) -> tuple[np.dtype[Any], int, int]:
    """The token type, the number of sequences and of boundaries between documents."""
    if len(data) < HEADER.size:
        raise fault(entry, "idx", f"it is cut after {len(data)} bytes")
    magic, version, code, count, boundaries = HEADER.unpack_from(data)
    if magic != _MAGIC or version != 1 or code not in _TYPES:
        raise fault(entry, "idx", "it is no index of uint16 or int32 tokens")
    return _TYPES[code], count, boundaries


def _shape(data: bytes, entry: Entry) -> Shape:
    token_type, count, boundaries = _header(data, entry)
    size = HEADER.size + count * 12 + boundaries * 8
    if len(data) != size:
        raise fault(entry, "idx", f"an index of {count} sequences has {size} bytes, this has {len(data)}")
    lengths = np.frombuffer(data, "<i4", count, HEADER.size)
    pointers = np.frombuffer(data, "<i8", count, HEADER.size + lengths.nbytes)
    length = int(lengths[0]) if count else 0
    if length < 1 or (lengths != length).any():
        raise fault(entry, "idx", "its sequences are not of one length")
    if (pointers != np.arange(count) * length * token_type.itemsize).any():
        raise fault(entry, "idx", "its sequences do not follow one another")
    return Shape(token_type, count, length)


def _mapped(file: BinaryIO, shape: Shape, entry: Entry) -> NDArray[Any]:
    # The map has the file open on its own, and with it the lock of the cache.
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b""
    expected = shape.num_sequences * shape.sequence_length * shape.token_type.itemsize
    if len(mapped) != expected:
        raise fault(entry, "bin", f"the index tells of {expected} bytes, it has {len(mapped)}")
    return np.frombuffer(mapped, shape.token_type).reshape(shape.num_sequences, shape.sequence_length)


def _documents(records: BinaryIO, entry: Entry) -> Documents:
    buckets: dict[str, int] = {}
    vocabularies: set[str] = set()
    try:
        rows = [row for line in records for row in _rows(json.loads(line), buckets, vocabularies)]
    except (ValueError, KeyError, TypeError) as error:
        raise fault(entry, "jsonl", f"a line is no record of a document ({error!r})") from error
    if len(vocabularies) != 1:
        raise fault(entry, "jsonl", f"its documents are of {len(vocabularies)} vocabularies")
    rows.sort()
    start, end, uid, bucket = zip(*rows, strict=True)
    return Documents(
        np.array(start, np.int64),
        np.array(end, np.int64),
        np.array(uid, np.uint64),
        np.array(bucket, np.int16),
        tuple(buckets),
        vocabularies.pop(),
    )


def _rows(
    record: dict[str, Any], buckets: dict[str, int], vocabularies: set[str]
) -> Iterator[tuple[int, int, int, int]]:
    vocabularies.add(record.get("tokenizer", ""))
    bucket = buckets.setdefault(record["bucket"], len(buckets))
    uid = int(record["uid"], 16)
    for start, end in record["spans"]:
        yield start, end, uid, bucket


def _first_spans(documents: Documents, shape: Shape, entry: Entry) -> NDArray[np.int64]:
    """(num_sequences + 1,): number of the first span of each sequence.

    Each sequence is filled from its start without gaps; a record file for which that is not so is not this
    part's.
    """
    sequence = documents.start // shape.sequence_length
    first = np.searchsorted(sequence, np.arange(shape.num_sequences + 1))
    begins = np.empty(len(sequence), np.int64)
    begins[1:] = documents.end[:-1]
    heads = first[:-1][np.diff(first) > 0]
    begins[heads] = sequence[heads] * shape.sequence_length
    whole = (documents.end > documents.start) & ((documents.end - 1) // shape.sequence_length == sequence)
    if (begins != documents.start).any() or not whole.all() or sequence[-1] >= shape.num_sequences:
        raise fault(entry, "jsonl", "its spans do not fill the sequences of the index from their starts")
    return first
