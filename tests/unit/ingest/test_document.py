"""What becomes of a file and of a record."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash

from tests.unit.ingest.reading import (
    NOW,
    documents,
    jsonl,
    reads,
    unreadable,
)


def test_a_file_becomes_one_document(tmp_path: Path) -> None:
    """Prevents a document whose identity or origin cannot be traced."""
    path = tmp_path / "a note #1.md"
    path.write_bytes(b"# hello")
    (step,) = reads(path)
    (document,) = step.documents
    uri = path.as_uri()
    assert "%231" in uri
    assert document.source == uri
    assert document.media_type == "text/markdown"
    assert document.body == b"# hello"
    assert document.ingested_ms == NOW
    assert document.id == xxhash.xxh3_128_hexdigest(uri.encode() + b"\0# hello")
    assert document.uid == xxhash.xxh3_64_intdigest(document.id.encode() + b"\0# hello") != 0
    assert step.progress.num_records == 1
    assert step.progress.complete


def test_a_record_keeps_what_it_says(tmp_path: Path) -> None:
    """Prevents losing url, licence and nested metadata, or sending values that are no text."""
    record = {
        "id": 17,
        "text": "你好 world",
        "url": "http://a.example/1",
        "score": 0.5,
        "ok": True,
        "none": None,
        "tags": ["x"],
        "minhash": [1, 2**31],  # a signature of datasketch
        "meta": {"license": "CC0", "deep": {"no": 1}},
        "long": "y" * 5000,
    }
    (document,) = documents(reads(jsonl(tmp_path / "a.jsonl", [record])))
    assert document.id == "17"
    assert document.body.decode() == "你好 world"
    assert document.media_type == "text/plain"
    assert document.source == (tmp_path / "a.jsonl").as_uri() + "#1"
    long = document.metadata.pop("long")
    assert len(long) == 2000
    assert dict(document.metadata) == {
        "url": "http://a.example/1",
        "score": "0.5",
        "ok": "true",
        "meta.license": "CC0",
        "minhash": "AQAAAAAAAIA=",
    }


def test_metadata_is_bounded(tmp_path: Path) -> None:
    """Prevents a record with a thousand fields from outgrowing its text."""
    record = {"text": "t", "id": "i" * 10_000} | {f"field{n}": n for n in range(1000)}
    (document,) = documents(reads(jsonl(tmp_path / "a.jsonl", [record])))
    assert len(document.metadata) == 32
    assert len(document.id) == 512


def test_records_may_carry_html_or_a_media_type(tmp_path: Path) -> None:
    """Prevents markup from being taken for text."""
    records = [
        {"html": "<p>x"},
        {"text": "x = 1", "media_type": "text/x-python"},
        {"text": "t", "html": "<p>"},
    ]
    found = documents(reads(jsonl(tmp_path / "a.jsonl", records)))
    assert [(d.media_type, d.body) for d in found] == [
        ("text/html", b"<p>x"),
        ("text/x-python", b"x = 1"),
        ("text/plain", b"t"),
    ]
    assert not any(d.metadata for d in found)


def test_the_first_text_field_that_is_not_empty_counts(tmp_path: Path) -> None:
    """Prevents an empty `text` from hiding the content beside it, and nulls from being dead letters."""
    records = [{"text": "", "content": "c"}, {"text": None, "body": "b"}, {"text": None}, {"raw_content": ""}]
    steps = reads(jsonl(tmp_path / "a.jsonl", records))
    assert [d.body for d in documents(steps)] == [b"c", b"b", b"", b""]
    assert not unreadable(steps)


def test_same_id_and_other_content_are_two_documents(tmp_path: Path) -> None:
    """Prevents one of two records that share an id from vanishing."""
    records = [{"id": "a", "text": "one"}, {"id": "a", "text": "two"}, {"id": "a", "text": "one"}]
    one, two, again = documents(reads(jsonl(tmp_path / "a.jsonl", records)))
    assert one.uid != two.uid
    assert one.uid == again.uid


def test_records_without_id_keep_their_uid_when_others_move_them(tmp_path: Path) -> None:
    """Prevents a line put in at the top from making every record below it look new."""
    path = jsonl(tmp_path / "a.jsonl", [{"text": "one"}, {"text": "two"}])
    before = [d.uid for d in documents(reads(path))]
    jsonl(path, [{"text": "zero"}, {"text": "one"}, {"text": "two"}])
    assert [d.uid for d in documents(reads(path))][1:] == before


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    """Prevents a record that is valid JSON and no valid Unicode from raising."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a\\ud800b \\ud83d\\ude00", "id": "\\udfff", "t": "\\ud800"}\n')
    (document,) = documents(reads(path))
    assert document.body.decode() == "a\ufffdb 😀"
    assert document.id == "\ufffd"
    assert document.metadata["t"] == "\ufffd"


def test_a_uid_is_never_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents the uid that means "none" on the wire."""

    class Zero:
        def __init__(self, data: bytes) -> None: ...
        def update(self, data: bytes) -> None: ...
        def intdigest(self) -> int:
            return 0

    monkeypatch.setattr("services.ingest.document.xxhash.xxh3_64", Zero)
    assert documents(reads(jsonl(tmp_path / "a.jsonl", [{"text": "t"}])))[0].uid == 1
