"""`.ds`: the bytes by the format's description, and datatrove's own readers on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.runtime import ObjectStore
from services.sink.export import chosen, export
from services.sink.parts import documents
from tests.unit.sink.packed import pack

SIZES = [[5, 20, 7], [40, 3, 9]]  # 32 and 52 tokens: both are read without a rest in windows of 4


@pytest.fixture(params=[60_000, 100_000], ids=["two bytes", "four bytes"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    store = ObjectStore((tmp_path / "store").as_uri())
    pack(store, SIZES, vocabulary_size=request.param)
    return store


def written(store: ObjectStore, out: Path) -> int:
    """Bytes a token."""
    done = export(store, chosen(store), "ds", out)
    assert (done.parts, done.documents, done.tokens) == (2, 6, 84)
    return 2 if next(documents(store)).part.tokenizer == "v60000" else 4


def test_the_files_are_those_of_the_format(store: ObjectStore, tmp_path: Path) -> None:
    """Tokens on end with their end tokens and no padding, document ends, three lines of metadata."""
    width = written(store, tmp_path / "out")
    found = list(documents(store))
    names = sorted({document.part.name.rpartition("/")[2] for document in found})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}.ds{suffix}" for name in names for suffix in ("", ".index", ".metadata")
    ]
    for name, sizes in zip(names, SIZES, strict=True):
        own = [document.tokens for document in found if document.part.name.endswith(name)]
        tokens = np.fromfile(tmp_path / "out" / f"{name}.ds", f"<u{width}")
        assert tokens.tolist() == np.concatenate(own).tolist()
        assert np.fromfile(tmp_path / "out" / f"{name}.ds.index", "<u8").tolist() == np.cumsum(sizes).tolist()
        assert (tokens == 7).sum() == len(sizes), "every document ends, nothing is padding"
        vocabulary, count, shown = (tmp_path / "out" / f"{name}.ds.metadata").read_text().split("\n")
        assert vocabulary == f"v{60_000 if width == 2 else 100_000}|{width}"
        assert (count, shown) == (str(sum(sizes)), f"{sum(sizes)} T")


def test_datatrove_reads_every_token_and_every_end(store: ObjectStore, tmp_path: Path) -> None:
    """DatatroveFolderDataset, which nanotron's datasets are made of."""
    pytest.importorskip("torch")
    read = pytest.importorskip("datatrove.utils.dataset")
    width = written(store, tmp_path / "out")
    window = 4
    dataset = read.DatatroveFolderDataset(
        str(tmp_path / "out"),
        seq_len=window - 1,
        filename_pattern="*.ds",
        recursive=False,
        token_size=width,
        return_positions=True,
    )
    rows = [dataset[at] for at in range(len(dataset))]
    tokens = np.concatenate([row["input_ids"].numpy() for row in rows])
    positions = np.concatenate([row["positions"].numpy() for row in rows])
    found = [document.tokens for document in documents(store)]
    assert tokens.tolist() == np.concatenate(found).tolist()
    begins = {int(at) for at in np.cumsum([0, *map(len, found)])} | set(range(0, len(tokens), window))
    expected, position = [], 0
    for at in range(len(tokens)):
        position = 0 if at in begins else position + 1
        expected.append(position)
    assert positions.tolist() == expected, "counted anew at each document, by the .index"
