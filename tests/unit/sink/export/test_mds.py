"""MDS: a reader after the format's public description, and the real one where it is installed."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts import PartRecord
from services.runtime import ObjectStore
from services.sink.export import chosen, export, mds
from services.sink.parts import PartDocument, documents
from tests.unit.sink.packed import pack

SIZES = [[5, 20, 7], [400, 3, 9], [70_000]]  # lengths of one, two and four bytes
SHAPE_TYPES = ["u1", "<u2", "<u4", "<u8"]


@pytest.fixture(params=[60_000, 100_000], ids=["two bytes", "four bytes"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    store = ObjectStore((tmp_path / "store").as_uri())
    pack(store, SIZES, vocabulary_size=request.param)
    return store


def samples(folder: Path) -> Iterator[dict[str, Any]]:
    """Read as "Dataset Format" in the documentation of MosaicML streaming says; knows not the writer."""
    index = json.loads((folder / "index.json").read_text())
    assert index["version"] == 2
    for shard in index["shards"]:
        assert (shard["version"], shard["format"], shard["compression"], shard["zip_data"]) == (
            2,
            "mds",
            None,
            None,
        )
        data = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert len(data) == shard["raw_data"]["bytes"]
        (count,) = np.frombuffer(data, "<u4", 1)
        assert count == shard["samples"] > 0
        offsets = np.frombuffer(data, "<u4", count + 1, 4)
        assert offsets[-1] == len(data)
        columns = json.loads(data[4 + 4 * (count + 1) : offsets[0]])
        assert {name: shard[name] for name in columns} == columns
        for begin, end in itertools.pairwise(offsets):
            yield sample(shard, data[begin:end])


def sample(shard: dict[str, Any], data: bytes) -> dict[str, Any]:
    sizes, at = [], 0
    for size in shard["column_sizes"]:
        sizes.append(int.from_bytes(data[at : at + 4], "little") if size is None else size)
        at += 4 if size is None else 0
    found = {}
    for name, encoding, size in zip(shard["column_names"], shard["column_encodings"], sizes, strict=True):
        found[name] = value(encoding, data[at : at + size])
        at += size
    assert at == len(data), "nothing is left over"
    return found


def value(encoding: str, data: bytes) -> Any:
    kind, _, dtype = encoding.partition(":")
    if kind == "str":
        return data.decode()
    if kind == "ndarray":
        axes, shape_type = data[0] >> 2, np.dtype(SHAPE_TYPES[data[0] & 3])
        shape = np.frombuffer(data, shape_type, axes, 1)
        return np.frombuffer(data, dtype, offset=1 + axes * shape_type.itemsize).reshape(shape)
    (found,) = np.frombuffer(data, kind)
    return found


def check(found: dict[str, Any], document: PartDocument) -> None:
    record = document.record
    assert found["tokens"].tolist() == document.tokens.tolist()
    assert found["tokens"].dtype == ("u2" if document.tokens.itemsize == 2 else "i4")
    for name in (
        "id",
        "source",
        "bucket",
        "category",
        "language",
        "format",
        "phase",
        "url",
        "licence",
        "title",
    ):
        assert found[name] == getattr(record, name)
    assert (found["uid"], found["cluster"]) == (f"{record.uid:016x}", "")
    assert (found["use"], found["phase"], found["part"]) == (1, "stable", document.part.name)
    assert found["rank"] == record.rank if record.HasField("rank") else math.isnan(found["rank"])


def test_every_document_comes_back_as_it_went_in(store: ObjectStore, tmp_path: Path) -> None:
    export(store, chosen(store), "mds", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.json", "shard.00000.mds"]
    found = list(samples(tmp_path / "out"))
    for one, document in zip(found, documents(store), strict=True):
        check(one, document)
    assert sorted(len(one["tokens"]) for one in found) == [3, 5, 7, 9, 20, 400, 70_000]
    assert any(math.isnan(one["rank"]) for one in found)


def test_a_shard_ends_before_its_limit(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents one file for a whole corpus, and a sample lost where shards meet; a huge one stands alone."""
    monkeypatch.setattr(mds, "SHARD_BYTES", 1600)
    export(store, chosen(store), "mds", tmp_path / "out")
    shards = json.loads((tmp_path / "out" / "index.json").read_text())["shards"]
    assert len(shards) >= 3
    assert all(shard["raw_data"]["bytes"] <= 1600 or shard["samples"] == 1 for shard in shards)
    assert any(shard["samples"] > 1 for shard in shards)
    assert shards[-1]["samples"] == 1
    for one, document in zip(samples(tmp_path / "out"), documents(store), strict=True):
        check(one, document)


def test_no_column_is_forgotten() -> None:
    """Prevents a field of the records that comes later from being left out in silence."""
    left_out = {"spans", "position", "num_tokens"}  # of the part's files, or the length of the tokens
    columns = {"tokens", *mds._TEXTS, *mds._FIXED} - {"tokens", "part"}
    assert columns >= {field.name for field in PartRecord.DESCRIPTOR.fields if field.number <= 18} - left_out


def test_streaming_reads_it(store: ObjectStore, tmp_path: Path) -> None:
    """MosaicML's own reader."""
    streaming = pytest.importorskip("streaming", exc_type=ImportError)
    export(store, chosen(store), "mds", tmp_path / "out")
    dataset = streaming.LocalDataset(local=str(tmp_path / "out"))
    found = list(documents(store))
    assert len(dataset) == len(found)
    for at, document in enumerate(found):
        check(dataset[at], document)
