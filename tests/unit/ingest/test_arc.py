"""ARC: each page a document, a damaged record a dead letter."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from contracts import IngestProgress
from tests.unit.ingest.reading import documents, only_error, reads, unreadable

ABOUT = b"1 0 Made\nURL IP-address Archive-date Content-type Archive-length\n"


def record(url: str, block: bytes, size: int | None = None, more: str = "") -> bytes:
    head = f"{url} 10.0.0.1 20010203040506 text/html {more}{len(block) if size is None else size}\n"
    return head.encode() + block + b"\n"


def page(number: int, status: str = "200 OK") -> bytes:
    body = f"<html><body>Page {number} about tides</body></html>"
    return f"HTTP/1.0 {status}\r\nContent-Type: text/html\r\n\r\n{body}".encode()


FIRST = record("filedesc://made.arc", ABOUT)
RECORDS = [FIRST, record("dns:made.example", b"20010203 10.0.0.1"), record("http://made.example/1", page(1)),
           record("http://made.example/a b", page(2)), record("http://made.example/3", page(3, "404")),
           record("http://made.example/4", page(4), more="200 - - 17 made.arc.gz ")]  # fmt: skip


PACKS = [b"".join, lambda records: b"".join(map(gzip.compress, records))]


@pytest.mark.parametrize("pack", PACKS, ids=["plain", "gzip by record"])
def test_each_page_is_a_document(tmp_path: Path, pack: object) -> None:
    """Prevents an archive of the old kind that is passed over, or read as one text."""
    path = tmp_path / "made.arc"
    path.write_bytes(pack(RECORDS))  # type: ignore[operator]
    steps = reads(path)
    assert not unreadable(steps)
    found = documents(steps)
    assert [d.source.rpartition("#")[2] for d in found] == ["3", "4", "6"]
    assert found[1].media_type == "text/html"
    assert dict(found[1].metadata) == {
        "url": "http://made.example/a b", "date": "2001-02-03T04:05:06Z", "content-type": "text/html",
    }  # fmt: skip
    last = steps[-1].progress
    assert (last.num_records, last.complete) == (6, True)
    before = IngestProgress(source=path.as_uri(), fingerprint=last.fingerprint, num_records=3)
    assert [
        d.source.rpartition("#")[2] for d in documents(reads(path, progress={path.as_uri(): before}))
    ] == ["4", "6"]


def test_a_damaged_record_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "made.arc"
    path.write_bytes(
        FIRST + record("http://made.example/1", page(1), size=20) + record("http://made.example/2", page(2))
    )
    steps = reads(path)
    assert documents(steps)[-1].metadata["url"] == "http://made.example/2"
    assert any("does not begin as a record does" in piece.error for piece in unreadable(steps))
    path.write_bytes((FIRST + record("http://made.example/1", page(1)))[:-9])
    assert "it is cut off; fetch the file again" in only_error(reads(path))


def test_a_record_above_the_limit_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "made.arc"
    path.write_bytes(
        FIRST + record("http://made.example/1", b"x" * 200_000) + record("http://made.example/2", page(2))
    )
    steps = reads(path, max_document_bytes=1000)
    assert "200,000 bytes are more than the limit of 1,000" in only_error(steps)
    assert len(documents(steps)) == 1
