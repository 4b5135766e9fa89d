"""Records as they lie in files: in batches of Kafka (KIP-98, "magic 2"), which are read, and of the journal.

Kafka's cost ten times the work. In one of the journal, which is compressed as a whole, each record is its
number there, its time, the lengths of key (-1: none), value (likewise) and headers (JSON), and those three.
Before it stand a letter for how it is compressed and the sum of what follows.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kafka.codec import gzip_decode, lz4_decode, lz4_encode, zstd_decode, zstd_encode
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

HEADER = DefaultRecordBatch.HEADER_STRUCT
_BEFORE_LENGTH = DefaultRecordBatch.AFTER_LEN_OFFSET  # precedes what the length in a header counts
_RECORD, _SUM = struct.Struct(">Iqiii"), struct.Struct(">I")
_CODECS: dict[str, tuple[bytes, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "none": (b"-", bytes, bytes),
    "lz4": (b"l", lz4_encode, lz4_decode),
    "zstd": (b"z", zstd_encode, zstd_decode),
}
_OF_KAFKA: dict[int, Callable[[bytes], bytes]] = {0: bytes, 1: gzip_decode, 3: lz4_decode, 4: zstd_decode}


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
    """The records of a batch of Kafka's, in a third of kafka-python's time. Raises CorruptRecordError."""
    base, *_, attributes, _, first_ms, max_ms, _, _, _, number = HEADER.unpack_from(batch)
    data, at, found = _unpacked(batch, base, attributes), 0, list[Record]()
    appended = attributes & DefaultRecordBatch.TIMESTAMP_TYPE_MASK  # one time for all, of the broker
    try:
        for _ in range(number):
            _, at = decode_varint(data, at)
            later, at = decode_varint(data, at + 1)  # behind attributes, which say nothing
            delta, at = decode_varint(data, at)
            key, at = _field(data, at)
            value, at = _field(data, at)
            num_headers, at = decode_varint(data, at)
            headers = []
            for _ in range(num_headers):
                name, at = _field(data, at)
                said, at = _field(data, at)
                headers.append(((name or b"").decode(), said or b""))
            at_ms = max_ms if appended else first_ms + later
            found.append(Record(topic, partition, base + delta, key, value, headers, at_ms))
    except (IndexError, ValueError) as error:
        raise CorruptRecordError(f"the batch at offset {base} is damaged ({error})") from error
    return found


def commits(batch: bytes) -> bool:
    """Whether the marker that is this control batch of Kafka's says that its transaction counts.

    Its key is a version and 0 for an abort, 1 for a commit. Raises CorruptRecordError.
    """
    return any(record.key is not None and record.key[2:4] == b"\0\1" for record in decoded(batch, "", 0))


def _field(data: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = decode_varint(data, at)
    return (None, at) if size < 0 else (data[at : at + size], at + size)


def _unpacked(batch: bytes, base: int, attributes: int) -> bytes:
    if not DefaultRecordBatch(batch).validate_crc():
        raise CorruptRecordError(f"the batch at offset {base} is damaged")
    unpack = _OF_KAFKA.get(attributes & DefaultRecordBatch.CODEC_MASK)
    if unpack is None:
        raise CorruptRecordError(f"the batch at offset {base} is compressed in an unknown way")
    return unpack(batch[HEADER.size :])


def journaled(records: Sequence[Record], compression: str) -> bytes:
    """A batch of the journal. Offsets are not in it: its records have consecutive ones."""
    pieces: list[bytes] = []
    for number, (_, _, _, key, value, headers, timestamp) in enumerate(records):
        told = _told(headers) if headers else b""
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value), len(told))
        pieces += (_RECORD.pack(number, timestamp, *sizes), key or b"", value or b"", told)
    mark, pack, _ = _CODECS[compression]
    packed = pack(b"".join(pieces))
    return mark + _SUM.pack(zlib.crc32(packed)) + packed


def of_journal(batch: bytes, base: int, topic: str, partition: int) -> list[Record]:
    """Its records, of which the first has the offset `base`. Raises CorruptRecordError."""
    unpack = next((unpack for mark, _, unpack in _CODECS.values() if batch.startswith(mark)), None)
    packed = batch[1 + _SUM.size :]
    if unpack is None or batch[1 : 1 + _SUM.size] != _SUM.pack(zlib.crc32(packed)):
        raise CorruptRecordError(f"the batch at offset {base} is damaged")
    data, at, found = unpack(packed), 0, list[Record]()
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
