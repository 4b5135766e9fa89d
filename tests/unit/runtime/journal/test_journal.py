"""The journal: what was written whole is there, whatever came after it, and one process writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.errors import CorruptRecordError

from services.runtime import ConfigurationError
from services.runtime.journal.batches import Record, journaled, of_journal
from services.runtime.journal.cluster import JournalCluster

PLACE = TopicPartition("t", 0)


def _put(cluster: JournalCluster, *values: bytes | None) -> None:
    writer = cluster.producer("test", "lz4")
    writer.init_transactions()
    writer.begin_transaction()
    for value in values:
        writer.send("t", value, key=value, partition=0, headers=[("type", b"\xff\x00")] if value else None)
    writer.commit_transaction()


def _opened(path: Path) -> JournalCluster:
    made = JournalCluster(path)
    made.refresh()
    return made


def _read(cluster: JournalCluster) -> list[tuple[int, bytes | None]]:
    reader = cluster.consumer(None)
    reader.assign([PLACE])
    reader.seek(PLACE, 0)
    found = []
    while records := reader.poll():
        found += [(r.offset, r.value) for r in records[PLACE]]
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalCluster]:
    made = _opened(tmp_path / "journal")
    made.set_topics({"t": 1})
    yield made
    made.close()


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_a_batch_is_read_as_it_was_written(compression: str) -> None:
    rows = [(None, b"", []), (b"k", None, [("type", b"\xff\x00")]), (b"", b"v" * 1000, [])]
    records = [Record("t", 3, 7 + n, key, value, headers, n) for n, (key, value, headers) in enumerate(rows)]
    batch = journaled(records, compression)
    assert of_journal(batch, 7, "t", 3) == records
    for damaged in (b"?" + batch[1:], batch[:-1], batch[:-1] + b"?"):
        with pytest.raises(CorruptRecordError, match="at offset 7 is damaged"):
            of_journal(damaged, 7, "t", 3)


def test_what_follows_the_last_whole_transaction_is_passed_over_and_written_over(
    journal: JournalCluster, tmp_path: Path
) -> None:
    """Prevents: half a transaction after a kill, or one that hides what comes after it."""
    _put(journal, b"a", b"b")
    path = tmp_path / "journal"
    whole = path.stat().st_size
    _put(journal, b"c" * 30)
    journal.close()
    written, expected = path.read_bytes(), [(0, b"a"), (1, b"b")]
    for size in range(whole, len(written)):
        path.write_bytes(written[:size])
        assert _read(_opened(path)) == expected
    path.write_bytes(written[:-1] + b"?")  # as a disk may leave it that lost its power
    again = _opened(path)
    assert _read(again) == expected
    _put(again, b"d")
    again.close()
    assert path.stat().st_size < len(written)  # nothing of the longer one is left behind it
    assert _read(_opened(path)) == [*expected, (3, b"d")]  # the marker has an offset, as in Kafka


def test_no_byte_of_it_changes_unnoticed(journal: JournalCluster, tmp_path: Path) -> None:
    """Prevents: a damaged length that hides all transactions behind it from the next write, which then takes
    their place; and an offset that is another one than was committed.
    """
    group, path = journal.group("readers"), tmp_path / "journal"
    for value in (b"a", b"b"):
        _put(journal, value)
        journal.set_offsets(group, {PLACE: journal.log_of(PLACE).end})
    last = path.stat().st_size  # where the last frame begins: see above
    _put(journal, b"c")
    journal.close()
    written = path.read_bytes()
    for at in range(last):
        damaged = bytearray(written)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ConfigurationError, match=r"is damaged|no journal of this version"):
            _read(_opened(path))
        assert path.read_bytes() == damaged
    path.write_bytes(written + b"something else, from somebody else")
    with pytest.raises(ConfigurationError, match=f"damaged at byte {len(written)}"):
        _opened(path)
    path.write_bytes(written + b"\0" * 100)  # as a disk may leave it that lost its power
    assert _read(_opened(path)) == [(0, b"a"), (2, b"b"), (4, b"c")]


def test_a_full_disk_is_said_and_leaves_what_was_there(
    journal: JournalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(journal, b"a")

    def full(fd: int, data: bytes, at: int, real: Callable[[int, bytes, int], int] = os.pwrite) -> int:
        real(fd, bytes(data)[:5], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
            _put(journal, b"b")
    _put(journal, b"c")
    assert _read(journal) == _read(_opened(tmp_path / "journal")) == [(0, b"a"), (2, b"c")]


def test_one_process_writes_and_others_read_on(journal: JournalCluster, tmp_path: Path) -> None:
    """Prevents: transactions of two that overwrite each other."""
    reader = _opened(tmp_path / "journal")
    _put(journal, b"a")
    reader.refresh()
    assert _read(reader) == [(0, b"a")]
    assert reader.topics["t"].id == journal.topics["t"].id
    with pytest.raises(ConfigurationError, match="another process writes"):
        _put(reader, b"b")
    journal.close()
    _put(reader, b"b")
    assert _read(reader) == [(0, b"a"), (2, b"b")]
    reader.close()


def test_what_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"something else that is long enough")
    with pytest.raises(ConfigurationError, match="no journal of this version"):
        _opened(path)
    assert path.read_bytes().startswith(b"something else")
