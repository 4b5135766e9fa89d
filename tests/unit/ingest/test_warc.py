"""WARC and WET: each record a document, a damaged one a dead letter."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from contracts import IngestProgress
from services.ingest.found import Found
from services.ingest.streams import opened
from services.ingest.warc_feed import Feed
from tests.unit.ingest.reading import documents, only_error, reads, unreadable


def record(kind: str, block: bytes, number: int = 1, size: int | None = None, **heads: str) -> bytes:
    said = {
        "WARC-Type": kind,
        "WARC-Target-URI": f"http://site{number}.example/page",
        "WARC-Date": f"2026-01-{number:02}T00:00:00Z",
        "WARC-Record-ID": f"<urn:uuid:{number:08}>",
        **{name.replace("_", "-"): text for name, text in heads.items()},
        "Content-Length": str(len(block) if size is None else size),
    }
    head = "".join(f"{name}: {text}\r\n" for name, text in said.items())
    return b"WARC/1.0\r\n" + head.encode() + b"\r\n" + block + b"\r\n\r\n"


def page(number: int) -> bytes:
    return record(
        "conversion", f"Page {number} 文 about the tides.\n".encode(), number, Content_Type="text/plain"
    )


def response(body: bytes, head: str = "200 OK", *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields or ["Content-Type: text/html; charset=utf-8"])
    block = f"HTTP/1.1 {head}\r\n{lines}\r\n".encode() + body
    return record("response", block, Content_Type="application/http; msgtype=response")


INFO = record("warcinfo", b"software: x\r\n", Content_Type="application/warc-fields")
PACKS: list[Callable[[list[bytes]], bytes]] = [
    b"".join,
    lambda records: b"".join(map(gzip.compress, records)),
    lambda records: gzip.compress(b"".join(records)),
    lambda records: b"".join(map(zstandard.compress, records)),
]


@pytest.mark.parametrize("pack", PACKS, ids=["plain", "gzip by record", "gzip", "zstd by record"])
@pytest.mark.parametrize("name", ["seg.warc.wet.gz", "a.warc", "a.wet", "data.txt", "no suffix"])
def test_each_record_is_a_document(tmp_path: Path, pack: Callable[[list[bytes]], bytes], name: str) -> None:
    """Prevents a WET that is read as one document with its heads in the text, whatever it is called."""
    (tmp_path / name).write_bytes(pack([INFO, *map(page, range(1, 6))]))
    steps = reads(tmp_path)
    found = documents(steps)
    assert not unreadable(steps)
    assert [d.body.decode() for d in found] == [f"Page {n} 文 about the tides.\n" for n in range(1, 6)]
    assert found[1].media_type == "text/plain"
    assert found[1].id == "urn:uuid:00000002"
    assert found[1].source.endswith("#3")
    assert dict(found[1].metadata) == {"url": "http://site2.example/page", "date": "2026-01-02T00:00:00Z"}
    assert steps[-1].progress.num_records == 6


@pytest.mark.parametrize("pack", PACKS, ids=["plain", "gzip by record", "gzip", "zstd by record"])
def test_heads_are_found_by_name_in_any_order(tmp_path: Path, pack: Callable[[list[bytes]], bytes]) -> None:
    """Prevents the date of one record from becoming the address of the next, whose heads stand elsewhere."""
    swapped = (
        b"WARC/1.0\r\ncontent-length: 4\r\nWARC-DATE: 2026-02-02T00:00:00Z\r\nX-Own: mine\r\nX-Own: other\r\n"
        b"warc-record-id: <urn:b>\r\nwarc-type: Conversion\r\n\r\nText\r\n\r\n"
    )
    nothing = b"WARC/1.0\r\nContent-Length: 4\r\n\r\nnone\r\n\r\n"
    (tmp_path / "a.warc").write_bytes(pack([page(1), swapped, nothing, page(2), INFO]))
    first, second, third = documents(reads(tmp_path))
    assert (second.id, second.body) == ("urn:b", b"Text")
    assert dict(second.metadata) == {"date": "2026-02-02T00:00:00Z", "x-own": "mine"}
    for number, found in ((1, first), (2, third)):
        assert found.metadata["url"] == f"http://site{number}.example/page"


def test_reading_resumes_at_the_same_record(tmp_path: Path) -> None:
    """Prevents records lost or read twice after a kill between any two of them, a damaged one included."""
    path = tmp_path / "a.warc.gz"
    path.write_bytes(PACKS[1]([INFO, page(1), b"WARC/1.0\r\nbroken\r\n\r\n", page(2), page(3)]))
    whole = reads(path, chunk_documents=1)
    for count in range(6):
        before = IngestProgress(
            source=path.as_uri(), fingerprint=whole[0].progress.fingerprint, num_records=count
        )
        rest = reads(path, progress={path.as_uri(): before})
        kept = [
            p for s in whole for p in (*s.documents, *s.unreadable) if int(p.source.split("#")[1]) > count
        ]
        assert sorted(p.source for p in (*documents(rest), *unreadable(rest))) == sorted(
            p.source for p in kept
        )


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (page(9).replace(b"Content-Length: ", b"Content-Length: x"), "no usable Content-Length"),
        (page(9).replace(b"Content-Length: ", b"Content-Length: -"), "no usable Content-Length"),
        (page(9).replace(b"Content-Length", b"Content-Lungs"), "no usable Content-Length"),
        (record("conversion", b"too short" * 20, 9, size=100), "Content-Length is wrong"),
        (record("conversion", b"too long" * 20, 9, size=250), "Content-Length is wrong"),
        (record("conversion", b"much too long", 9, size=100_000), "cut off"),
        (b"<html>something else\r\n\r\n", "does not begin as a record"),
        (b"WARC/1.0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", "its head is longer"),
    ],
)
@pytest.mark.parametrize("pack", PACKS[:2], ids=["plain", "gzip by record"])
def test_a_damaged_record_costs_itself_alone(
    tmp_path: Path, pack: Callable[[list[bytes]], bytes], bad: bytes, says: str
) -> None:
    """Prevents one wrong length from swallowing the records after it, or from ending the file."""
    (tmp_path / "a.warc").write_bytes(pack([page(1), bad, page(2), page(3)]))
    steps = reads(tmp_path)
    assert says in only_error(steps)
    assert "WARC record 2: " in only_error(steps)
    assert [d.body[:6] for d in documents(steps)] == [b"Page 1", b"Page 2", b"Page 3"]


def test_a_damaged_gzip_member_costs_its_record_alone(tmp_path: Path) -> None:
    """Prevents a flipped bit in a segment of 40,000 records from losing the rest."""
    members = [gzip.compress(page(n)) for n in range(1, 6)]
    members[1] = members[1][:40] + b"\xff\xff\xff\xff" + members[1][44:]
    members[3] = members[3][:-8] + bytes(8)  # its checksum
    (tmp_path / "a.warc.gz").write_bytes(b"".join(members))
    steps = reads(tmp_path)
    assert [d.body[:6] for d in documents(steps)] == [b"Page 1", b"Page 3", b"Page 5"]
    assert ["gzip member is damaged" in piece.error for piece in unreadable(steps)] == [True, True]
    assert steps[-1].progress.num_records == 5


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    """Prevents half a page from being trained on."""
    (tmp_path / "a.warc").write_bytes((page(1) + page(2))[:-30])
    steps = reads(tmp_path)
    assert [d.body[:6] for d in documents(steps)] == [b"Page 1"]
    assert "cut off" in only_error(steps)
    (tmp_path / "a.warc").write_bytes((page(1) + page(2))[:-4])  # whole, without the empty lines after it
    assert len(documents(reads(tmp_path))) == 2


def test_responses_are_unwrapped(tmp_path: Path) -> None:
    """Prevents HTTP heads and chunks in a text, and error pages and images from becoming documents."""
    html = b"<html><body>hello</body></html>"
    packed = gzip.compress(html)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    wrapped = response(
        chunked, "200 OK", "Content-Type: text/html", "Content-Encoding: gzip", "Transfer-Encoding: chunked"
    )
    records = [
        response(html),
        wrapped,
        response(b"%PDF-1.7 ...", "200 OK", "Content-Type: application/octet-stream"),
        response(b"not found", "404 Not Found"),
        response(b"\x89PNG", "200 OK", "Content-Type: image/png"),
        response(b"", "301 Moved"),
        record("resource", b"plain words", Content_Type="text/plain"),
        record("request", b"GET / HTTP/1.1\r\n\r\n", Content_Type="application/http; msgtype=request"),
        record("metadata", b"fetchTimeMs: 4", Content_Type="application/warc-fields"),
    ]
    (tmp_path / "a.warc").write_bytes(b"".join(records))
    steps = reads(tmp_path)
    assert not unreadable(steps)
    assert [(d.media_type, bytes(d.body[:5])) for d in documents(steps)] == [
        ("text/html", b"<html"),
        ("text/html", b"<html"),
        ("application/pdf", b"%PDF-"),
        ("text/plain", b"plain"),
    ]
    assert documents(steps)[0].metadata["content-type"] == "text/html; charset=utf-8"


def test_a_response_that_cannot_be_undone_is_a_dead_letter(tmp_path: Path) -> None:
    """Prevents an exception of the HTTP parser from ending the file."""
    bad = response(b"\x00\x01not gzip", "200 OK", "Content-Type: text/html", "Content-Encoding: gzip")
    none = record("response", b"\xff" * 50, Content_Type="application/http; msgtype=response")
    (tmp_path / "a.warc").write_bytes(bad + none + page(1))
    steps = reads(tmp_path)
    assert len(documents(steps)) == 1
    assert len(unreadable(steps)) == 2


@pytest.mark.parametrize("pack", PACKS, ids=["plain", "gzip by record", "gzip", "zstd by record"])
def test_a_record_above_the_limit_is_passed_over(
    tmp_path: Path, pack: Callable[[list[bytes]], bytes]
) -> None:
    """Prevents a record of gigabytes from taking the memory of the process, or the record after it."""
    (tmp_path / "a.warc").write_bytes(pack([page(1), page(2), record("conversion", b"x" * 300_000), page(3)]))
    steps = reads(tmp_path, max_document_bytes=1000)
    assert "300,000 bytes are more than the limit of 1,000" in only_error(steps)
    assert [d.source[-2:] for d in documents(steps)] == ["#1", "#2", "#4"]


def test_what_is_kept_to_be_framed_anew_is_bounded(tmp_path: Path) -> None:
    """Prevents a record that never ends from being held whole, and what stands around it from being lost."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(2_000_000)))
    with opened(Found(str(tmp_path / "a.gz")), 1 << 20) as stream:
        feed = Feed(stream, 300_000)
        given = sum(map(len, iter(partial(feed.read, 65536), b"")))
        assert 300_000 < given < 500_000
        assert not feed.ended
        assert len(feed.left()) + len(stream.read()) == 2_000_000


def test_prose_about_the_format_is_prose(tmp_path: Path) -> None:
    """Prevents a text that begins with the format's name from being taken for an archive."""
    (tmp_path / "a.txt").write_bytes(b"WARC/1.0 is how a record begins.\nIt goes on with named fields.\n")
    (document,) = documents(reads(tmp_path))
    assert document.media_type == "text/plain"
