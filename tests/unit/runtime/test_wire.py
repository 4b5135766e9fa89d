"""The claim check: large fields travel by way of the object store."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import DecodeError

from contracts import Document
from services.runtime import ObjectStore
from services.runtime.wire import decode, encode, least, parsed, stored_bytes

LIMIT = 10_000
TOPIC = "docs.parsed"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "store").as_uri())


def large(**fields: object) -> Document:
    return Document(id="a", uid=7, source="file:///a", media_type="text/plain", **fields)  # type: ignore[arg-type]


def test_a_small_document_stays_in_its_message(store: ObjectStore) -> None:
    """Prevents a trip to the store for what fits."""
    document = large(text="短い文 and more")
    data = encode(document, store, LIMIT, TOPIC)
    assert decode(data, store) == document
    assert list(store.list("bodies")) == []


@pytest.mark.parametrize(
    ("fields", "moved"),
    [
        ({"body": b"\x00\xff" * 30_000, "text": "short"}, ["body"]),
        ({"text": "中文和 English 混排。" * 4_000}, ["text"]),
        ({"token_ids": b"\x01\x02\x03\x00" * 30_000, "text": "x" * 5_000}, ["token_ids"]),
        (
            {"body": b"b" * 50_000, "text": "文" * 30_000, "token_ids": b"1234" * 9_000},
            ["body", "text", "token_ids"],
        ),
    ],
)
def test_what_is_too_large_goes_to_the_store_and_comes_back(
    store: ObjectStore, fields: dict[str, object], moved: list[str]
) -> None:
    """Prevents a message over the broker's limit, and a document that is not the same afterwards."""
    document = large(**fields)
    before = document.SerializeToString(deterministic=True)
    data = encode(document, store, LIMIT, TOPIC)
    assert len(data) <= LIMIT
    sent = Document.FromString(data)
    assert sorted(reference.field for reference in sent.references) == moved
    assert len(list(store.list("bodies"))) == len(moved)
    assert document.SerializeToString(deterministic=True) == before, "the caller's document is untouched"
    assert decode(data, store).SerializeToString(deterministic=True) == before


def test_the_largest_field_goes_first_and_no_more_than_needed(store: ObjectStore) -> None:
    """Prevents a large body from taking a small text along."""
    data = encode(large(body=b"b" * 20_000, text="t" * 6_000), store, LIMIT, TOPIC)
    sent = Document.FromString(data)
    assert [reference.field for reference in sent.references] == ["body"]
    assert sent.references[0].size == 20_000
    assert len(sent.text) == 6_000


def test_what_lies_in_the_store_is_known_without_it(store: ObjectStore) -> None:
    """Prevents a large document from counting for the few bytes of its message; size is in bytes of UTF-8."""
    document = large(body=b"b" * 20_000, text="文" * 9_000)
    assert stored_bytes(encode(document, store, LIMIT, TOPIC)) == 20_000 + 27_000
    assert stored_bytes(encode(document, store, 100_000, TOPIC)) == 0
    assert stored_bytes(b"\xff\xff not protobuf, with bodies/ in it") == 0
    said = Document(text="what lies in bodies/docs.raw/2026-11-26/")
    assert stored_bytes(encode(said, store, 100_000, TOPIC)) == 0


def test_the_limit_counts_the_whole_message(store: ObjectStore) -> None:
    """Prevents an off-by-one at the limit: at it the message stays whole, one byte over it does not."""
    document = large(text="t" * 9_000)
    size = len(document.SerializeToString())
    assert not Document.FromString(encode(document, store, size, TOPIC)).references
    assert Document.FromString(encode(document, store, size - 1, TOPIC)).references


def test_writing_again_changes_nothing(store: ObjectStore, tmp_path: Path) -> None:
    """Prevents a redelivery from filling the store: the key is made of the content."""
    first = encode(large(text="t" * 50_000), store, LIMIT, TOPIC)
    kept = {path: path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert encode(large(text="t" * 50_000), store, LIMIT, TOPIC) == first
    assert {path: path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file()} == kept
    encode(large(text="u" * 50_000), store, LIMIT, TOPIC)
    assert len(list(store.list("bodies"))) == 2


def test_an_object_that_is_gone_is_told_from_a_store_that_is_down(store: ObjectStore) -> None:
    """Prevents a lost object from being waited for, or a store that is down from costing the document."""
    data = encode(large(text="t" * 50_000), store, LIMIT, TOPIC)
    store.delete(list(store.list("bodies")))
    with pytest.raises(FileNotFoundError):
        decode(data, store)


def test_the_position_never_travels(store: ObjectStore) -> None:
    """Prevents one service's offsets from being taken for the next one's."""
    document = large(text="x")
    document.position.offset = 9
    assert not decode(encode(document, store, LIMIT, TOPIC), store).HasField("position")


def test_no_document_is_a_decode_error(store: ObjectStore) -> None:
    """Prevents noise in a topic from raising what the worker does not expect."""
    with pytest.raises(DecodeError):
        decode(b"\xff\xff\xff", store)


@pytest.mark.parametrize("number", range(4))
def test_the_least_size_is_told_without_the_store(store: ObjectStore, number: int) -> None:
    """Prevents a document from passing the check before dedup and not the one behind it."""
    moved = {"body": b"b" * 50_000, "text": "文" * 50_000, "token_ids": b"1234" * 20_000}
    document = large(**dict(list(moved.items())[:number]), metadata={"title": "x" * 300})
    size = least(document)
    assert size - 3 * 250 <= len(encode(document, store, size, TOPIC)) <= size


def test_what_is_parsed_together_is_what_it_is_alone() -> None:
    """Prevents a length that is written wrong, by which one document would become part of the next."""
    sizes = (0, 100, 123, 124, 125, 126, 127, 16_377, 16_379, 16_380, 16_382, 3_000_000)
    documents = [Document(body=b"x" * size, metadata={"n": str(size)}) for size in sizes]
    data = [document.SerializeToString() for document in documents]
    assert parsed([b"", *data, b""]) == [Document(), *documents, Document()]
    for bad in (b"\xff\xff", data[3][:-1], Document(text="x").SerializeToString().replace(b"x", b"\xff")):
        with pytest.raises(DecodeError):
            parsed([data[1], bad, data[2]])
