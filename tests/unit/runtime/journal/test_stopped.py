"""What a stopped Kafka has left, in segments that are made as Kafka makes and compacts them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c
from kafka.structs import OffsetAndMetadata

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


@pytest.mark.parametrize("at", [16, -1])
def test_a_damaged_batch_is_named(tmp_path: Path, at: int) -> None:
    """Prevents: a mix without some documents, or a wait for a Kafka that is not asked."""
    data = bytearray(_batch(0, b"a"))
    data[at] ^= 0xFF
    kafka = StoppedKafka(_log(tmp_path, s0=bytes(data)))
    with pytest.raises(ConfigurationError, match=r"pool\.en-0: "):
        _read(kafka)


def test_where_groups_stand_is_read_and_cannot_be_changed(tmp_path: Path) -> None:
    """Prevents: a folder that cannot be written, of which nobody can say where its services are."""
    _log(tmp_path, s0=_batch(0, b"a", b"b"))
    partition = tmp_path / "__consumer_offsets-0"
    partition.mkdir()
    batches = (
        _offsets(0, ("mixer", 1), ("sink", 1), ("gone", 2)),
        _offsets(3, ("mixer", 2), producer=1),
        _batch(4, producer=1, marker=True),
        _offsets(5, ("sink", 2), producer=2),
        _batch(6, producer=2, marker=False),
        _offsets(7, ("gone", None)),
        _batch(8, b"of another version"),
        _offsets(9, ("mixer", 0), producer=3),  # open for ever
    )
    (partition / f"{0:020}.log").write_bytes(b"".join(batches))
    kafka = StoppedKafka(tmp_path)
    admin = kafka.admin()
    found = admin.list_group_offsets(["mixer", "sink", "gone", "nobody"])
    assert {name: {tp: mark.offset for tp, mark in of.items()} for name, of in found.items()} == {
        "mixer": {PLACE: 2},
        "sink": {PLACE: 1},
        "gone": {},
        "nobody": {},
    }
    assert admin.list_topics() == ["pool.en"]
    assert kafka.log_of(PLACE).num_bytes == (tmp_path / "pool.en-0" / f"{0:020}.log").stat().st_size
    changes = (
        lambda: kafka.producer("quarantine", "lz4"),
        lambda: admin.alter_group_offsets("sink", {PLACE: OffsetAndMetadata(0, "", -1)}),
        lambda: admin.delete_records({PLACE: 1}),
        lambda: admin.create_topics({"t": {"num_partitions": 1}}),
    )
    for change in changes:
        with pytest.raises(ConfigurationError, match=r"cannot be started where .* cannot be written"):
            change()


def _offsets(base: int, *commits: tuple[str, int | None], producer: int = -1) -> bytes:
    """Of partition PLACE, by group, as Kafka writes them; None: given up."""
    made = DefaultRecordBatchBuilder(
        2, 0, producer >= 0, *((producer, 0, 0) if producer >= 0 else (-1, -1, -1)), 1 << 20
    )
    for number, (group, offset) in enumerate(commits):
        key = struct.pack(">h", 1) + _text(group) + _text(PLACE.topic) + struct.pack(">i", PLACE.partition)
        value = (
            None if offset is None else struct.pack(">hqi", 3, offset, -1) + _text("") + struct.pack(">q", 5)
        )
        made.append(number, 5, key, value, [])
    batch = bytearray(made.build())
    struct.pack_into(">q", batch, 0, base)
    return bytes(batch)


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()
