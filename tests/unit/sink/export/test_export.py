"""What goes into an export, and that it is all or nothing."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from services.runtime import ConfigurationError, ObjectStore
from services.sink.export import FORMATS, chosen, export
from services.sink.manifest import part_key
from services.sink.parts import WrongPart, documents, list_parts
from services.tokenizer import Vocabulary
from tests.unit.sink.packed import pack, pack_texts


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = ObjectStore((tmp_path / "store").as_uri())
    pack(store, [[5, 20, 7], [40, 3, 9], [8]])
    return store


def ids(store: ObjectStore, *names: str, vocabulary: str = "") -> list[str]:
    return [part.name for part in chosen(store, names, vocabulary)]


def test_all_parts_or_those_named_in_the_order_of_the_store(store: ObjectStore) -> None:
    all_parts = [part.name for part in list_parts(store)]
    assert ids(store) == all_parts
    short = [name.partition("/")[2] for name in all_parts]
    assert ids(store, short[2], all_parts[0], short[0]) == [all_parts[0], all_parts[2]], "each once"
    with pytest.raises(WrongPart, match=r"no part 'part-9'; `corpusworks parts list`"):
        chosen(store, ["part-9"])


def test_vocabularies_do_not_mix(store: ObjectStore) -> None:
    """Prevents ids of two vocabularies under one header: half of them would be other words."""
    pack(store, [[6]], vocabulary_size=100_000, lane=1)
    with pytest.raises(ConfigurationError, match=r"v60000 \(3 parts\), v100000 \(1 parts\); .* --vocabulary"):
        chosen(store)
    assert len(ids(store, vocabulary="v60000")) == 3
    assert len(ids(store, vocabulary="v100000")) == 1
    with pytest.raises(WrongPart, match="no part of the vocabulary other"):
        chosen(store, vocabulary="other")


def test_a_store_without_parts(tmp_path: Path) -> None:
    with pytest.raises(WrongPart, match="there is no part in"):
        chosen(ObjectStore(tmp_path.as_uri()))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("suffix", ["bin", "idx", "jsonl"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_part_leaves_nothing(
    store: ObjectStore, tmp_path: Path, form: str, suffix: str, damage: str
) -> None:
    """Prevents half an export: the parts before the damaged one are written by then."""
    parts = chosen(store)
    key = part_key(parts[1].name, suffix)
    data = store.get(key)
    store.delete([key])
    if damage != "missing":
        store.put(key, data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(WrongPart, match=parts[1].name):
        export(store, parts, form, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_real_texts_come_back_out_of_an_export(tmp_path: Path, shuffle: bool) -> None:
    """The project's sample documents by the shipped vocabulary, over several parts and cut over sequences."""
    store = ObjectStore((tmp_path / "store").as_uri())
    vocabulary = Vocabulary.load()
    texts = pack_texts(store, vocabulary, sequence_length=256, seal_tokens=2048, shuffle=shuffle)
    assert len(list_parts(store)) > 3
    assert any(len(document.record.spans) > 1 for document in documents(store))
    done = export(store, chosen(store), "ds", tmp_path / "out")
    assert done.documents == len(texts)
    found = []
    for path in sorted((tmp_path / "out").glob("*.ds")):
        tokens = np.fromfile(path, "<u2")
        ends = np.fromfile(path.with_name(f"{path.name}.index"), "<u8").astype(int)
        found += [vocabulary.decode(ids[:-1]) for ids in np.split(tokens, ends)[:-1]]
        assert (tokens[ends - 1] == vocabulary.end_of_document).all()
    assert found == list(texts.values())


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Ten times the parts, the same memory: a corpus is larger than any machine."""
    monkeypatch.setattr("services.sink.export.mds.SHARD_BYTES", 50_000)
    peaks = []
    for count in (3, 30):
        store = ObjectStore((tmp_path / f"store-{count}").as_uri())
        pack(store, [[10_000]] * count)
        parts = chosen(store)
        tracemalloc.start()
        export(store, parts, form, tmp_path / f"out-{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # One part more may live for a moment; all of them would be ten times as much.
    assert peaks[1] < 3 * peaks[0], peaks
