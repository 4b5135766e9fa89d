"""The records of a WARC file (ISO 28500) and of Common Crawl's WET, which is one; numbered as in records.py.

Framed here and not by fastwarc, so that a damaged record costs itself alone: reading goes on at the next
head, or at the next gzip member. fastwarc undoes HTTP.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from contracts import Document
from services.ingest import kinds
from services.ingest.document import Maker, NotADocument, too_large
from services.ingest.records import Piece
from services.ingest.streams import HEAD_BYTES, Damaged, go_on_after_damage
from services.ingest.walk import Found
from services.runtime import Unreadable

# Records whose block is a document or holds one. The rest is about other records: passed over.
_PAGES = {"conversion", "response", "resource"}
_HEAD_LIMIT = 64 << 10
_VERSION = re.compile(rb"WARC/[01]\.\d+\s*$")
_NEXT_HEAD = re.compile(rb"(?:\r?\n){1,2}(?=WARC/[01]\.\d+\r?\n[\w-]+:)")
# Said of the record as a file, or already in the document.
_NOT_METADATA = {
    "content-length", "warc-type", "warc-record-id", "warc-block-digest", "warc-payload-digest",
    "warc-warcinfo-id", "warc-refers-to", "warc-concurrent-to", "content-type",
}  # fmt: skip
_NAMES = {"warc-target-uri": "url", "warc-date": "date"}
_MEDIA_TYPES = {
    "text/html": kinds.HTML,
    "application/xhtml+xml": kinds.HTML,
    "application/pdf": kinds.PDF,
    "text/plain": kinds.TEXT,
    "text/markdown": "text/markdown",
}


class _Record(NamedTuple):
    """heads: by name in lower case; of two with one name, the first. block: None when over the limit."""

    heads: dict[str, str]
    block: bytes | None
    size: int


class _Broken(Exception):
    """A record that cannot be made out. head: its first bytes."""

    def __init__(self, why: str, head: bytes = b"") -> None:
        super().__init__(why)
        self.head = head[:HEAD_BYTES]


def records(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A piece a record; None where it is no page, or was read before. Raises Damaged, OSError."""
    reader = _Blocks(stream, maker.config.max_document_bytes + _HEAD_LIMIT)
    number = 0
    while True:
        number += 1
        piece: Document | Unreadable | None = None
        try:
            record = reader.next()
            if record is None:
                return
            if number > skip and record.heads.get("warc-type", "").lower() in _PAGES:
                piece = _document(found, maker, number, record)
        except (_Broken, NotADocument) as error:
            head = error.head if isinstance(error, _Broken) else b""
            piece = _unreadable(found, number, error, head)
        except Damaged as error:
            if not go_on_after_damage(stream):
                raise
            reader.forget()
            piece = _unreadable(found, number, f"its gzip member is damaged: {error}")
        yield number, piece if number > skip else None


def _unreadable(found: Found, number: int, error: object, head: bytes = b"") -> Unreadable:
    return Unreadable(f"{found.uri}#{number}", head, f"{found.shown}, WARC record {number}: {error}")


class _Blocks:
    """The records of a stream, one block of at most `limit` bytes in memory."""

    def __init__(self, stream: io.BufferedReader, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._left = io.BytesIO()  # read already, and to be read again: the rest of a record that was none

    def forget(self) -> None:
        """Begin anew where the stream is."""
        self._left = io.BytesIO()

    def next(self) -> _Record | None:
        """None at the end. Raises _Broken; the next call goes on at the next record that can be made out."""
        line = self._line()
        while line and line.isspace():
            line = self._line()
        if not line:
            return None
        if not _VERSION.match(line):
            self._seek_head()
            raise _Broken("it does not begin as a record does; fetch the file again", line)
        heads, raw = self._heads(line)
        try:
            size = int(heads["content-length"])
            if size < 0:
                raise ValueError("negative")
        except (KeyError, ValueError) as error:
            self._seek_head()
            raise _Broken("no usable Content-Length; fetch the file again", raw) from error
        if size > self._limit:
            self._pass_over(size)
            return _Record(heads, None, size)
        block = self._read(size)
        self._check_end(block, size, raw)
        return _Record(heads, block, size)

    def _heads(self, version: bytes) -> tuple[dict[str, str], bytes]:
        heads: dict[str, str] = {}
        raw, name = version, ""
        while (line := self._line()) and not line.isspace():
            raw += line
            if len(raw) > _HEAD_LIMIT:
                self._seek_head()
                raise _Broken(f"its head is longer than {_HEAD_LIMIT:,} bytes; fetch the file again", raw)
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text[0] in " \t" and name:  # a head may go on in the next line
                heads[name] += " " + text.strip()
                continue
            name, colon, value = text.partition(":")
            name = name.strip().lower()
            if colon:
                heads.setdefault(name, value.strip())
        return heads, raw

    def _check_end(self, block: bytes, size: int, raw: bytes) -> None:
        """What follows a block is an empty line and the next head, or the end. Raises _Broken."""
        after = self._after()
        rest = after.lstrip(b"\r\n")
        ended = not rest or rest.startswith(b"W") or after.startswith((b"\r\n\r\n", b"\n\n"))
        if len(block) == size and ended:
            self._put_back(rest)
            return
        whole = block + after
        head = _NEXT_HEAD.search(whole)
        if head:
            self._put_back(whole[head.end() :])
        elif len(block) == size:
            self._put_back(rest)
            self._seek_head()
        why = "it is cut off" if len(block) < size else "its Content-Length is wrong"
        raise _Broken(f"{why}; fetch the file again", raw)

    def _after(self) -> bytes:
        """The empty lines behind a block and the first byte of what follows."""
        after = b""
        with contextlib.suppress(*Damaged):  # that of the next record: reading on raises it again
            while (after.isspace() and len(after) < 16) or not after:
                more = self._read(1)
                if not more:
                    break
                after += more
        return after

    def _seek_head(self) -> None:
        """Go on to the next line that begins a record."""
        while line := self._line():
            if _VERSION.match(line):
                self._put_back(line)
                return

    def _pass_over(self, size: int) -> None:
        while size > 0 and (some := self._read(min(size, 1 << 20))):
            size -= len(some)

    def _line(self) -> bytes:
        line = self._left.readline(_HEAD_LIMIT)
        return line if line.endswith(b"\n") else line + self._stream.readline(_HEAD_LIMIT)

    def _read(self, size: int) -> bytes:
        some = self._left.read(size)
        return some + self._stream.read(size - len(some)) if len(some) < size else some

    def _put_back(self, data: bytes) -> None:
        self._left = io.BytesIO(data + self._left.read())


def _document(found: Found, maker: Maker, number: int, record: _Record) -> Document | None:
    """The page of a record; None where there is none. Raises NotADocument."""
    heads, limit = record.heads, maker.config.max_document_bytes
    said = {_NAMES.get(name, name): text for name, text in heads.items() if name not in _NOT_METADATA}
    if record.block is None:
        raise NotADocument(too_large(record.size, limit))
    body, declared = record.block, heads.get("content-type", "")
    if declared.lower().startswith("application/http"):
        if heads["warc-type"].lower() != "response":
            return None
        body, declared = _unwrapped(record.block, limit)
        said["content-type"] = declared
    if heads["warc-type"].lower() == "conversion":
        media_type = kinds.TEXT
    else:
        media_type = kinds.page_type(body[:HEAD_BYTES]) or _MEDIA_TYPES.get(_bare(declared), "")
    if not media_type or not body:
        return None
    identifier = heads.get("warc-record-id", "").strip("<> ")
    return maker.of_page((found.uri, number), body, media_type, identifier, said)


def _unwrapped(block: bytes, limit: int) -> tuple[bytes, str]:
    """The body of an HTTP response and its Content-Type; nothing where it was no success.

    Raises NotADocument.
    """
    from fastwarc.warc import WarcRecord, WarcRecordType

    record = WarcRecord()
    try:
        record.init_headers(WarcRecordType.response)
        record.is_http = True
        record.set_bytes_content(block)
        record.parse_http(auto_decode="all")
        status = record.http_headers.status_code
        if status is None:
            raise NotADocument("its HTTP response has no status")
        if not 200 <= status < 300:
            return b"", ""
        declared = record.http_headers.get("content-type") or ""
        return record.reader.read(limit + 1), declared
    except (OSError, ValueError) as error:
        raise NotADocument(f"its HTTP response cannot be undone: {error}") from error


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
