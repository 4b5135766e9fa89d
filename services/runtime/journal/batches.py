"""Records as they lie in files: in batches of Kafka (KIP-98, "magic 2"), which are read, and of the journal.

Kafka's cost ten times the work. In one of the journal, which is compressed as a whole, each record is its
number there, its time, the lengths of key (-1: none), value (likewise) and headers (JSON), and those three.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kafka.codec import lz4_decode, lz4_encode, zstd_decode, zstd_encode
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch

HEADER = DefaultRecordBatch.HEADER_STRUCT
_BEFORE_LENGTH = DefaultRecordBatch.AFTER_LEN_OFFSET  # precedes what the length in a header counts
_RECORD = struct.Struct(">Iqiii")
_CODECS: dict[str, tuple[bytes, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "none": (b"-", bytes, bytes),
    "lz4": (b"l", lz4_encode, lz4_decode),
    "zstd": (b"z", zstd_encode, zstd_decode),
}


class Record(NamedTuple):
    """As kafka-python names its fields."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int


class Header(NamedTuple):
    """Of a batch of Kafka's: its offsets [base, stop), its bytes, and the transaction that it belongs to."""

    base: int
    stop: int
    num_bytes: int
    producer: int
    transactional: bool
    control: bool
    num_records: int


def header(data: bytes) -> Header:
    """From the first HEADER.size bytes of a batch of Kafka's. Raises CorruptRecordError."""
    try:
        base, length, _, magic, _, attributes, delta, *_, producer, _, _, number = HEADER.unpack_from(data)
    except struct.error as error:
        raise CorruptRecordError("a batch that was cut") from error
    if magic != 2 or length < HEADER.size - _BEFORE_LENGTH:
        raise CorruptRecordError(f"a batch of format {magic} and {length} bytes")
    of = DefaultRecordBatch
    return Header(
        base,
        base + delta + 1,
        length + _BEFORE_LENGTH,
        producer,
        bool(attributes & of.TRANSACTIONAL_MASK),
        bool(attributes & of.CONTROL_MASK),
        number,
    )


def decoded(batch: bytes, topic: str, partition: int) -> list[Record]:
    """The records of a batch of Kafka's. Raises CorruptRecordError."""
    return [
        Record(topic, partition, one.offset, one.key, one.value, one.headers, one.timestamp)
        for one in _whole(batch)
    ]


def commits(batch: bytes) -> bool:
    """Whether the marker that is this control batch of Kafka's says that its transaction counts."""
    return any(getattr(one, "commit", False) for one in _whole(batch))


def _whole(batch: bytes) -> Any:
    found = DefaultRecordBatch(batch)
    if not found.validate_crc():
        raise CorruptRecordError(f"the batch at offset {found.base_offset} is damaged")
    return found


def journaled(records: Sequence[Record], compression: str) -> bytes:
    """A batch of the journal. Offsets are not in it: its records have consecutive ones."""
    pieces: list[bytes] = []
    for number, (_, _, _, key, value, headers, timestamp) in enumerate(records):
        told = _told(headers) if headers else b""
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value), len(told))
        pieces += (_RECORD.pack(number, timestamp, *sizes), key or b"", value or b"", told)
    mark, pack, _ = _CODECS[compression]
    return mark + pack(b"".join(pieces))


def of_journal(batch: bytes, base: int, topic: str, partition: int) -> list[Record]:
    """Its records, of which the first has the offset `base`. Raises CorruptRecordError."""
    unpack = next((unpack for mark, _, unpack in _CODECS.values() if batch.startswith(mark)), None)
    if unpack is None:
        raise CorruptRecordError(f"{topic} {partition}: the batch at offset {base} is damaged")
    data, at, found = unpack(batch[1:]), 0, list[Record]()
    size = len(data)
    while at < size:
        number, timestamp, key_size, value_size, told_size = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        key = data[at : (at := at + key_size)] if key_size >= 0 else None
        value = data[at : (at := at + value_size)] if value_size >= 0 else None
        headers = _headers(data[at : (at := at + told_size)]) if told_size else []
        found.append(Record(topic, partition, base + number, key, value, headers, timestamp))
    return found


def _told(headers: Sequence[tuple[str, bytes]]) -> bytes:
    plain = [(name, base64.b64encode(value).decode()) for name, value in headers]
    return json.dumps(plain).encode()


def _headers(told: bytes) -> list[tuple[str, bytes]]:
    return [(name, base64.b64decode(value)) for name, value in json.loads(told)]
