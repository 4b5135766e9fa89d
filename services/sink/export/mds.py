"""MDS: Mosaic Data Shards, version 2, which StreamingDataset reads; a sample is a document.

    index.json         the shards in their order, each with its columns, size and number of samples
    shard.00000.mds    little-endian:
        uint32             number of samples N
        uint32 [N + 1]     where each sample begins in the file, in bytes, and the end of the last
        JSON               the columns, as in the index
        N samples          uint32 for each column without a fixed size: its bytes; then the columns' values

    tokens     `ndarray:uint16` or `ndarray:int32`: a byte (axes << 2 | log2 of the bytes of a length), the
               length, the tokens. int32, and not uint32, since torch calculates with it.
    rank       `float32`, NaN where no scorer ran.  use: `uint32`.
    the rest   `str`, as in the lines of part-….jsonl, empty where not known; `part` names the part

The format is described by docs.mosaicml.com/projects/streaming ("Dataset Format") and by the code that reads
it (streaming/base/format/mds).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from contracts import PartSealed
from services.sink import records
from services.sink.parts import PartDocument

SHARD_BYTES = 1 << 26  # what MDSWriter takes when it is told nothing; a larger sample has a shard of its own
_TEXTS = (
    "id", "uid", "source", "url", "licence", "title", "bucket", "category", "language", "format", "phase",
    "cluster", "recipe", "part",
)  # fmt: skip
_FIXED = {"rank": np.dtype("<f4"), "use": np.dtype("<u4")}


class MdsWriter:
    """Memory: one shard."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: list[dict[str, Any]] = []
        self._samples: list[bytes] = []
        self._encoding = ""
        self._head = b""
        self._size = 0

    def add(self, part: PartSealed, documents: Iterable[PartDocument]) -> None:
        """Write the documents of one part; all parts have tokens of one width. Raises OSError."""
        for document in documents:
            if not self._encoding:
                self._encoding = "ndarray:uint16" if document.tokens.itemsize == 2 else "ndarray:int32"
                self._head = json.dumps(self._columns(), sort_keys=True).encode()
                self._size = self._empty()
            sample = _sample(part, document)
            if self._samples and self._size + len(sample) + 4 > SHARD_BYTES:
                self._write_shard()
            self._samples.append(sample)
            self._size += len(sample) + 4

    def finish(self) -> None:
        """Write the last shard and the index."""
        if self._samples:
            self._write_shard()
        index = {"version": 2, "shards": self._shards}
        (self._folder / "index.json").write_text(json.dumps(index, sort_keys=True))

    def _empty(self) -> int:
        return 4 + 4 + len(self._head)

    def _columns(self) -> dict[str, Any]:
        encodings = dict.fromkeys(_TEXTS, "str") | {name: kind.name for name, kind in _FIXED.items()}
        encodings["tokens"] = self._encoding
        names = sorted(encodings)
        return {
            "version": 2,
            "format": "mds",
            "compression": None,
            "hashes": [],
            "size_limit": SHARD_BYTES,
            "column_names": names,
            "column_encodings": [encodings[name] for name in names],
            "column_sizes": [_FIXED[name].itemsize if name in _FIXED else None for name in names],
        }

    def _write_shard(self) -> None:
        first = 4 + 4 * (len(self._samples) + 1) + len(self._head)
        offsets = np.cumsum([first, *map(len, self._samples)], dtype=np.int64)
        if offsets[-1] >= 1 << 32:
            raise ValueError(f"a shard of {offsets[-1]} bytes: the format has 32 bits for a place in it")
        name = f"shard.{len(self._shards):05d}.mds"
        with (self._folder / name).open("wb") as out:
            out.write(np.array([len(self._samples)], "<u4").tobytes())
            out.write(offsets.astype("<u4").tobytes())
            out.write(self._head)
            out.writelines(self._samples)
        file = {"basename": name, "bytes": int(offsets[-1]), "hashes": {}}
        row = {"samples": len(self._samples), "raw_data": file, "zip_data": None}
        self._shards.append(self._columns() | row)
        self._samples = []
        self._size = self._empty()


def _sample(part: PartSealed, document: PartDocument) -> bytes:
    said = records.as_plain(document.record) | {"part": part.name}
    values = {name: str(said.get(name) or "").encode() for name in _TEXTS}
    values["tokens"] = _array(document)
    sizes = [len(values[name]) for name in sorted(values)]
    rank = document.record.rank if document.record.HasField("rank") else np.nan
    values["rank"] = np.array(rank, _FIXED["rank"]).tobytes()
    values["use"] = np.array(document.record.use, _FIXED["use"]).tobytes()
    return np.array(sizes, "<u4").tobytes() + b"".join(values[name] for name in sorted(values))


def _array(document: PartDocument) -> bytes:
    """One axis; its length in as few bytes as hold it."""
    length = len(document.tokens)
    power = next(power for power in range(3) if length < 1 << (8 << power))
    return bytes([1 << 2 | power]) + length.to_bytes(1 << power, "little") + document.tokens.tobytes()
