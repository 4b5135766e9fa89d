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

from services.ingest.streams import opened
from tests.unit.ingest.reading import (
    documents,
    only_error,
    reached,
    reads,
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
        with opened(str(tmp_path / "a"), 1 << 30) as stream:
            assert stream.read() == b"text"
        assert len(os.listdir("/proc/self/fd")) == before
