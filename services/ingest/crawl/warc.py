"""Fetches as WARC 1.1 (ISO 28500), one gzip member a record, so that any record can be read by itself.

    crawl/2026-11-27/INSTANCE-0a1b2c….warc.gz

A body is kept with its encodings undone and its head says so, as Common Crawl does it. What came back
unchanged is a revisit record that names the earlier one. An object appears whole or not at all; one whose
pages were fetched again after a kill holds them a second time, under another name.
"""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
import zlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from services.ingest.crawl.visit import Recorded, warc_date

FOLDER: Final = "crawl"
# What a body does not have any more when it is undone; kept under another name.
_UNDONE: Final = {"content-encoding", "transfer-encoding", "content-length"}


def write(records: Sequence[Recorded], agent: str) -> bytes:
    """A file: who made it, then the records."""
    out = io.BytesIO()
    info = (
        "software: corpusworks\r\nformat: WARC File Format 1.1\r\nrobots: obey\r\n"
        f"http-header-user-agent: {agent}\r\n"
    )
    now = warc_date(records[0].fetched.fetched_ms) if records else warc_date(0)
    head = [("WARC-Type", "warcinfo"), ("WARC-Date", now), ("Content-Type", "application/warc-fields")]
    out.write(_member(head, info.encode()))
    for record in records:
        out.write(_response(record))
    return out.getvalue()


def key(instance: str, first: Recorded) -> str:
    """A name that nobody else gives."""
    day = warc_date(first.fetched.fetched_ms)[:10]
    return f"{FOLDER}/{day}/{instance}-{uuid.uuid4().hex}.warc.gz"


def _response(record: Recorded) -> bytes:
    fetched = record.fetched
    head = [
        ("WARC-Type", "revisit" if record.profile else "response"),
        ("WARC-Target-URI", record.url),
        ("WARC-Date", warc_date(fetched.fetched_ms)),
        ("Content-Type", "application/http; msgtype=response"),
    ]
    if fetched.address:
        head.append(("WARC-IP-Address", fetched.address))
    if record.digest:
        head.append(("WARC-Payload-Digest", f"sha1:{record.digest}"))
    if record.profile:
        head += [("WARC-Profile", record.profile), ("WARC-Refers-To-Target-URI", record.url)]
        if record.refers:
            head.append(("WARC-Refers-To-Date", record.refers))
    block = _http_head(record) + (b"" if record.profile else fetched.body)
    return _member(head, block)


def _http_head(record: Recorded) -> bytes:
    fetched = record.fetched
    try:
        phrase = HTTPStatus(fetched.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {fetched.status} {phrase}"]
    for name, value in fetched.headers:
        kept = f"X-Crawler-{name}" if name.lower() in _UNDONE else name
        lines.append(f"{_line(kept)}: {_line(value)}")
    if not record.profile:
        lines.append(f"Content-Length: {len(fetched.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def _member(head: Sequence[tuple[str, str]], block: bytes) -> bytes:
    digest = base64.b32encode(hashlib.sha1(block, usedforsecurity=False).digest()).decode()
    own = [
        ("WARC-Record-ID", f"<urn:uuid:{uuid.uuid4()}>"),
        ("WARC-Block-Digest", f"sha1:{digest}"),
        ("Content-Length", str(len(block))),
    ]
    lines = "".join(f"{name}: {_line(value)}\r\n" for name, value in [*head, *own])
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    whole = b"WARC/1.1\r\n" + lines.encode() + b"\r\n" + block + b"\r\n\r\n"
    return packer.compress(whole) + packer.flush()


def _line(text: str) -> str:
    """Without what would end a line of a head."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
