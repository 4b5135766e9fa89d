"""The trainer's reading of the catalog and of parts, against what their services write."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from services.catalog.segments import BLOCK
from services.sink import records
from tests.unit.trainer.data.river import River, made
from trainer.data.catalog import BLOCK as TRAINERS_BLOCK
from trainer.data.catalog import Catalog
from trainer.data.part import Part, num_sequences
from trainer.errors import DataError


def number_of(entries) -> list[int]:
    return [entry.number for entry in entries]


def all_of(catalog: Catalog):
    found = []
    while new := catalog.poll():
        found += new
    return found


def test_entries_are_those_that_the_catalog_wrote(url, opened) -> None:
    """Prevents the two readings of the catalog from drifting apart."""
    river, store = River(url), opened(url)
    catalog = Catalog(store)
    assert catalog.poll() == []
    river.add(made(0), made(6, phase="anneal"))
    river.add(made(12))
    for ours, theirs in zip(all_of(catalog), river.entries(), strict=True):
        assert ours == (
            theirs.sequence, theirs.name, theirs.phase, theirs.recipe, theirs.tokens, theirs.sha256
        )  # fmt: skip
    assert catalog.poll() == []
    assert number_of(all_of(Catalog(store, 1))) == [1, 2]


def test_who_catches_up_reads_blocks_and_who_follows_asks_once(river, opened, monkeypatch) -> None:
    assert TRAINERS_BLOCK == BLOCK
    river.copy(made(0, 1, limit=10), BLOCK)
    for number in range(3):
        river.add(made(number, 1, limit=10))
    store = opened(river.store.url)
    asked = []
    get = store.get
    monkeypatch.setattr(store, "get", lambda key: asked.append(key) or get(key))
    catalog = Catalog(store)
    assert len(all_of(catalog)) == BLOCK + 3
    assert len(asked) <= 7
    asked.clear()
    assert catalog.poll() == []
    assert len(asked) == 1
    asked.clear()
    assert number_of(all_of(Catalog(store, BLOCK + 1))) == [BLOCK + 1, BLOCK + 2]
    assert len(asked) <= 5


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"[\n", b"\xff\n", b'{"sequence": 1}\n'])
def test_a_damaged_segment_is_said(river, opened, damage) -> None:
    river.store.put("catalog/000000000000.jsonl", damage)
    with pytest.raises(DataError, match=r"catalog/000000000000.jsonl is damaged"):
        Catalog(opened(river.store.url)).poll()


@pytest.mark.parametrize("packing", ["best_fit", "concat"])
def test_a_part_is_what_the_sink_packed(url, opened, packing) -> None:
    """Prevents the two readings of a part from drifting apart."""
    river = River(url)
    river.add(made(0, 12, packing=packing, length=200))
    [entry] = Catalog(opened(url)).poll()
    part = Part(opened(url), entry)
    files = river.parts[0].files
    assert part.shape == (np.dtype("<u2"), num_sequences(opened(url), entry), 200)
    assert part.tokens.tobytes() == files["bin"]
    assert part.documents.vocabulary == "ab12"
    wanted = []
    for record in map(records.from_line, files["jsonl"].splitlines()):
        wanted += [(span.start, span.end, record.uid, record.bucket) for span in record.spans]
    documents = part.documents
    found = zip(
        documents.start.tolist(),
        documents.end.tolist(),
        documents.uid.tolist(),
        [documents.buckets[bucket] for bucket in documents.bucket],
        strict=True,
    )
    assert list(found) == sorted(wanted)
    for sequence in range(part.shape.num_sequences):
        here = part.spans(sequence)
        assert (documents.start[here] // 200 == sequence).all()


def changed(files: dict[str, bytes], fault: str) -> tuple[str, bytes | None]:
    lines = files["jsonl"].splitlines(keepends=True)
    return {
        "no bin": ("bin", None),
        "no idx": ("idx", None),
        "no jsonl": ("jsonl", None),
        "cut bin": ("bin", files["bin"][:-2]),
        "empty bin": ("bin", b""),
        "cut idx": ("idx", files["idx"][:-1]),
        "head of idx": ("idx", files["idx"][:20]),
        "other idx": ("idx", b"MMIDIDY" + files["idx"][7:]),
        "cut jsonl": ("jsonl", files["jsonl"][:-9]),
        "lost lines": ("jsonl", b"".join(lines[:2] + lines[3:])),
        "no lines": ("jsonl", b""),
        "no JSON": ("jsonl", b"\xff\n"),
        "no record": ("jsonl", b"{}\n"),
        "two vocabularies": ("jsonl", lines[0].replace(b"ab12", b"cd34") + b"".join(lines[1:])),
    }[fault]


@pytest.mark.parametrize(
    "fault",
    [
        "no bin", "no idx", "no jsonl", "cut bin", "empty bin", "cut idx", "head of idx", "other idx",
        "cut jsonl", "lost lines", "no lines", "no JSON", "no record", "two vocabularies",
    ],
)  # fmt: skip
def test_a_part_that_is_not_whole_is_named(river, opened, fault) -> None:
    river.add(made(0, 12, length=200))
    suffix, data = changed(river.parts[0].files, fault)
    name = river.parts[0].announcement.name
    if data is None:
        river.store.delete([f"parts/{name}.{suffix}"])
    else:
        river.store.put(f"parts/{name}.{suffix}", data)
    store = opened(river.store.url)
    [entry] = Catalog(store).poll()
    with pytest.raises(DataError, match="corpusworks parts verify") as raised:
        Part(store, entry)
    assert name in str(raised.value)
    assert f".{suffix}" in str(raised.value)


def test_bytes_that_changed_on_s3_are_refused_though_their_number_is_right(url, opened) -> None:
    river = River(url)
    river.add(made(0))
    name, data = river.parts[0].announcement.name, river.parts[0].files["bin"]
    river.store.put(f"parts/{name}.bin", data[::-1])
    store = opened(url)
    [entry] = Catalog(store).poll()
    assert entry.sha256["bin"] == hashlib.sha256(data).hexdigest()
    with pytest.raises(DataError, match="sha256"):
        Part(store, entry, verify=True)
    if url.startswith("s3:"):
        with pytest.raises(DataError, match="sha256"):
            Part(store, entry)
