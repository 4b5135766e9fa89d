"""What a stopped Kafka has left, in segments that are made as Kafka makes and compacts them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c

from services.runtime import ConfigurationError
from services.runtime.journal.stopped import StoppedKafka

PLACE = TopicPartition("pool.en", 0)
_ATTRIBUTES = 21  # where they lie in a batch's header
_CONTROL = 0x20


def _batch(base: int, *values: bytes, producer: int = -1, marker: bool | None = None) -> bytes:
    """marker: of a commit or of an abort, in the place of values. Without values: what compaction leaves."""
    state = (producer, 0, 0) if producer >= 0 else (-1, -1, -1)
    made = DefaultRecordBatchBuilder(2, 3 if values else 0, producer >= 0, *state, 1 << 20)
    if marker is not None:
        made.append(0, 5, struct.pack(">hh", 0, marker), b"", [])
    for number, value in enumerate(values):
        made.append(number, 5, b"k", value, [])
    batch = bytearray(made.build())
    struct.pack_into(">q", batch, 0, base)
    if marker is not None:
        _mark(batch)
    return bytes(batch)


def _mark(batch: bytearray) -> None:
    """As a control batch, which clients do not make."""
    (attributes,) = struct.unpack_from(">h", batch, _ATTRIBUTES)
    struct.pack_into(">h", batch, _ATTRIBUTES, attributes | _CONTROL)
    crc = calc_crc32c(bytes(batch[_ATTRIBUTES:]))
    struct.pack_into(">I", batch, DefaultRecordBatchBuilder.CRC_OFFSET, crc)


def _log(folder: Path, **segments: bytes) -> Path:
    """The data folder of a Kafka with one partition; segments by name, `s` before their first offset."""
    partition = folder / "pool.en-0"
    partition.mkdir(parents=True)
    (folder / ".kafka_cleanshutdown").touch()
    (partition / "partition.metadata").write_text("version: 0\ntopic_id: MDphh3cCSIKRL6RhUfeo1Q")
    for name, data in segments.items():
        (partition / f"{int(name[1:]):020}.log").write_bytes(data)
    return folder


def _read(kafka: StoppedKafka, start: int = 0) -> list[tuple[int, bytes | None]]:
    reader = kafka.consumer(None)
    reader.assign([PLACE])
    reader.seek(PLACE, start)
    found = []
    while records := reader.poll(max_records=2):
        found += [(r.offset, r.value) for r in records[PLACE]]
    assert reader.position(PLACE) == reader.end_offsets([PLACE])[PLACE]
    return found


def test_what_was_committed_is_read_and_nothing_else(tmp_path: Path) -> None:
    """Prevents: documents of a transaction that was aborted, or is open, in another mix."""
    first = (
        _batch(0, b"a", b"b", producer=1)
        + _batch(2, b"aborted", producer=2)
        + _batch(3, producer=1, marker=True)
        + _batch(4, producer=2, marker=False)
    )
    # Compaction has taken the record at 6 and what lay to 10, and has left an empty batch.
    second = _batch(5, b"c") + _batch(10, b"d", b"e", b"f", producer=2) + _batch(13, producer=2, marker=True)
    third = (
        _batch(20, b"open", producer=3)
        + _batch(21, b"behind it", producer=1)
        + _batch(22, producer=1, marker=True)
    )
    kafka = StoppedKafka(_log(tmp_path, s0=first, s5=second, s20=third))
    assert _read(kafka) == [(0, b"a"), (1, b"b"), (5, b"c"), (10, b"d"), (11, b"e"), (12, b"f")]
    assert _read(kafka, 11) == [(11, b"e"), (12, b"f")]
    assert kafka.topics["pool.en"].id == "303a6187-7702-4882-912f-a46151f7a8d5"
    assert kafka.topics["pool.en"].partitions[0].stable_end == 20


def test_what_was_deleted_is_not_read(tmp_path: Path) -> None:
    _log(tmp_path, s0=_batch(0, b"a", b"b", b"c"))
    (tmp_path / "log-start-offset-checkpoint").write_text("0\n1\npool.en 0 2\n")
    kafka = StoppedKafka(tmp_path)
    assert kafka.topics["pool.en"].partitions[0].start == 2
    assert _read(kafka) == [(2, b"c")]


def test_one_that_runs_or_was_killed_is_refused(tmp_path: Path) -> None:
    """Prevents: half a log that is taken for the whole."""
    _log(tmp_path, s0=_batch(0, b"a"))
    (tmp_path / ".kafka_cleanshutdown").unlink()
    with pytest.raises(ConfigurationError, match="not that of a Kafka that was stopped"):
        StoppedKafka(tmp_path)
