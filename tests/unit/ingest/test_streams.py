"""Compressed files, whole and damaged."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from services.ingest.found import Found
from services.ingest.streams import opened
from tests.unit.ingest.reading import (
    documents,
    only_error,
    reached,
    reads,
    texts,
    unreadable,
)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor(write_checksum=True).compress])
@pytest.mark.parametrize("damage", ["cut off", "garbage after", "checksum"])
def test_records_before_a_damage_are_published(
    tmp_path: Path, pack: Callable[[bytes], bytes], damage: str
) -> None:
    """Prevents a truncated download from losing what arrived, or from passing for a whole file."""
    noise = random.Random(7)
    records = [{"text": f"{number} {noise.randbytes(60).hex()}"} for number in range(20_000)]
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    packed = pack(data)
    if damage == "cut off":
        packed = packed[: len(packed) * 3 // 4]
    elif damage == "garbage after":
        packed += b"garbage"
    else:
        packed = packed[:-8] + bytes(8)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed)
    steps = reads(path)
    found = documents(steps)
    # zstd gives out whole blocks of 128 KiB; where the checksum disagrees, the last step is lost.
    least = {"cut off": 14_000, "garbage after": 20_000, "checksum": 19_800}
    assert len(found) >= least[damage]
    assert [d.body.decode() for d in found] == [r["text"] for r in records[: len(found)]]
    assert f"damaged or cut off after record {len(found)}" in only_error(steps)
    assert ("it ends in the middle" in only_error(steps)) == (damage == "cut off")
    assert steps[-1].progress.num_records == len(found) + 1
    assert steps[-1].progress.complete
    assert reads(path, progress=reached(steps)) == []


def test_a_truncated_text_file_is_no_document(tmp_path: Path) -> None:
    """Prevents half a page from being trained on as if it were whole."""
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(os.urandom(9000))[:-20])
    steps = reads(tmp_path)
    assert not documents(steps)
    assert "damaged or cut off" in only_error(steps)


def test_opened_closes_its_file(tmp_path: Path) -> None:
    """Prevents running out of file descriptors in a folder of a million files."""
    for pack in (gzip.compress, zstandard.compress, bytes):
        (tmp_path / "a").write_bytes(pack(b"text"))
        before = len(os.listdir("/proc/self/fd"))
        with opened(Found(str(tmp_path / "a")), 1 << 30) as stream:
            assert stream.read() == b"text"
        assert len(os.listdir("/proc/self/fd")) == before


def long_window(data: bytes, window_log: int) -> bytes:
    """A frame as `zstd --long` writes it for a stream of unknown length: one block, not compressed.

    RFC 8878: magic, descriptor, window (exponent from 10 on in the upper five bits), block head and block.
    """
    head = b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3])
    return head + (len(data) << 3 | 1).to_bytes(3, "little") + data


def test_a_long_window_is_read(tmp_path: Path) -> None:
    """Prevents a file packed with `zstd --long=31`, as large collections are, from being called damaged."""
    data = b"".join(json.dumps(record).encode() + b"\n" for record in texts(6))
    assert zstandard.get_frame_parameters(long_window(data, 31)).window_size == 2 << 30
    (tmp_path / "a.jsonl.zst").write_bytes(long_window(data, 31) + long_window(data, 27))
    steps = reads(tmp_path)
    assert len(documents(steps)) == 12
    assert not unreadable(steps)


def test_a_window_above_the_setting_says_so(tmp_path: Path) -> None:
    """Prevents a message that sends the user to fetch a sound file again; records before it stay."""
    data = b"".join(json.dumps(record).encode() + b"\n" for record in texts(6))
    (tmp_path / "a.jsonl.zst").write_bytes(long_window(data, 20) + long_window(data, 28))
    steps = reads(tmp_path, max_window_bytes=1 << 27)
    assert len(documents(steps)) == 6
    told = only_error(steps)
    assert "window of 268,435,456 bytes is more than the limit of 134,217,728" in told
    assert "CORPUSWORKS_UNITS__INGEST__MAX_WINDOW_BYTES" in told
    assert "fetch" not in told
    assert steps[-1].progress.complete


@pytest.mark.parametrize("where", ["before", "between", "after"])
def test_skippable_frames_of_zstd_are_passed_over(tmp_path: Path, where: str) -> None:
    """Prevents what pzstd and seekable zstd write from being taken for an unknown kind, or for damage."""
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"meta"
    one, two = (zstandard.compress(b'{"text": "%d"}\n' % n) for n in (1, 2))
    order = {
        "before": [skippable, one, two],
        "between": [one, skippable, two],
        "after": [one, two, skippable],
    }
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(order[where]))
    steps = reads(tmp_path)
    assert [d.body for d in documents(steps)] == [b"1", b"2"]
    assert not unreadable(steps)
