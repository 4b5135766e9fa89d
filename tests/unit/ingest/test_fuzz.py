"""Files with random damage: none may raise, and reading goes on behind them."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.unit.ingest.reading import documents, reached, reads, texts
from tests.unit.ingest.test_warc import page, response

ROUNDS = int(os.environ.get("CORPUSWORKS_TEST_ROUNDS", "25"))


def lines() -> bytes:
    return b"".join(json.dumps(record | {"n": [1, {"m": None}]}).encode() + b"\n" for record in texts(60))


def parquet(compression: str) -> bytes:
    sink = pa.BufferOutputStream()
    rows = [record | {"n": number, "meta": {"k": str(number)}} for number, record in enumerate(texts(60))]
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=20, compression=compression)
    return bytes(sink.getvalue())


KINDS: dict[str, Callable[[], bytes]] = {
    "a.jsonl": lines,
    "a.json": lambda: json.dumps(texts(60)).encode(),
    "a.jsonl.gz": lambda: gzip.compress(lines()[:3000]) + gzip.compress(lines()[3000:]),
    "a.jsonl.zst": lambda: zstandard.compress(lines()[:3000]) + zstandard.compress(lines()[3000:]),
    "plain.parquet": lambda: parquet("none"),
    "snappy.parquet": lambda: parquet("snappy"),
    "zstd.parquet": lambda: parquet("zstd"),
    "a.warc": lambda: b"".join(map(page, range(1, 20))) + response(b"<html>x</html>"),
    "a.warc.gz": lambda: b"".join(gzip.compress(page(n)) for n in range(1, 20)),
    "a.html": lambda: b"<html><body>x</body></html>" * 20,
}


def damaged(data: bytes, chance: random.Random) -> bytes:
    """With a few bytes changed, put in or taken out, or cut off."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 3, 20])):
        at = chance.randrange(max(1, len(found)))
        size = chance.choice([1, 1, 4, 100])
        match chance.randrange(4):
            case 0:
                found[at : at + size] = chance.randbytes(size)
            case 1:
                found[at:at] = chance.choice([chance.randbytes(size), b"\0" * size, b"\xff" * size])
            case 2:
                del found[at : at + size]
            case _:
                found = found[:at] if chance.random() < 0.3 else found
    return bytes(found)


@pytest.mark.parametrize("name", KINDS)
def test_random_damage_never_ends_an_import(tmp_path: Path, name: str) -> None:
    """Prevents an import that a file ends. CORPUSWORKS_TEST_SEED repeats a round that failed."""
    seed = int(os.environ.get("CORPUSWORKS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}")
    chance, whole = random.Random(seed), KINDS[name]()
    (tmp_path / "~last.txt").write_text("the last")
    for _ in range(ROUNDS):
        (tmp_path / name).write_bytes(damaged(whole, chance))
        steps = reads(tmp_path, chunk_documents=7)
        assert documents(steps)[-1].body == b"the last"
        assert all(last.complete for last in reached(steps).values())
        for document in documents(steps):
            assert document.SerializeToString()
        assert reads(tmp_path, progress=reached(steps)) == []
