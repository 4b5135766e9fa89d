"""Files read in a process of its own, as in life."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contracts import Document
from services.ingest import IngestConfig
from services.runtime.process.reader import SourceReader
from services.runtime.process.reader_frames import Step
from services.runtime.process.recorded import Recorded
from services.runtime.settings import load_settings
from services.runtime.topology import Service
from tests.unit.ingest.reading import documents, jsonl, reads, texts, unreadable

SERVICE = Service("ingest", "services.ingest:SERVICE", (), "docs.raw")


def read_apart(*paths: Path | str, **limits: int) -> list[Step]:
    config = IngestConfig(paths=tuple(map(str, paths)))
    with closing(SourceReader(SERVICE, config, load_settings(**limits)).read(Recorded())) as steps:
        return [step for step in steps if step is not None]


def bodies(steps: Sequence[Step]) -> list[bytes]:
    return [Document.FromString(value).body for step in steps for _, value in step.documents]


def test_what_is_read_apart_is_what_is_read_here(tmp_path: Path) -> None:
    """Prevents a document or a dead letter from being lost or changed between the two processes."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    jsonl(folder / "a.jsonl", [*texts(700), {"bad": "record"}])
    pq.write_table(pa.Table.from_pylist(texts(30)), tmp_path / "b.parquet")
    (tmp_path / "b.parquet").rename(folder / "b.parquet")
    for number in range(150):
        (folder / f"c{number}.txt").write_text(f"small {number}")
    (folder / "d.jsonl.gz").write_bytes(b"\x1f\x8b and no gzip")
    here, apart = reads(folder), read_apart(folder)
    assert bodies(apart) == [document.body for document in documents(here)]
    assert [u for step in apart for u in step.unreadable] == [
        (piece.source, piece.head, piece.error) for piece in unreadable(here)
    ]
    assert len(bodies(apart)) == 880


def test_a_file_that_needs_too_much_memory_costs_itself_alone(tmp_path: Path) -> None:
    """Prevents a small Parquet file that unpacks to more than there is from ending the import."""
    path = tmp_path / "b.parquet"
    rows = pa.table({"id": [str(n) for n in range(8)], "text": ["x" * (48 << 20)] * 8})
    pq.write_table(rows, path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 1 << 20
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "c.txt").write_text("last")
    steps = read_apart(tmp_path, memory_limit_bytes=300 << 20)
    assert bodies(steps) == [b"first", b"last"]
    ((source, _, error),) = [piece for step in steps for piece in step.unreadable]
    assert source == path.as_uri() + "#1"
    assert "(setting memory_limit_bytes)" in error
