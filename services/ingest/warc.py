"""The records of a WARC file (ISO 28500) and of Common Crawl's WET, which is one; numbered as in records.py.

fastwarc reads them as long as all is well. A record counts once the one behind it has been made out, since a
wrong length shows there only; from the last that counts, what is damaged, and the end of each file, is framed
by warc_blocks.py, so that a damaged record costs itself alone: reading goes on at the next head, or at the
next gzip member.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from contracts import Document
from services.ingest import kinds
from services.ingest.document import Maker, NotADocument, too_large
from services.ingest.found import Found
from services.ingest.records import Piece
from services.ingest.streams import Damaged, go_on_after_damage, restarted, stored
from services.ingest.warc_blocks import HEAD_LIMIT, Block, Blocks, Broken
from services.runtime import Unreadable

if TYPE_CHECKING:
    from fastwarc.warc import HeaderMap, WarcRecord

# Records whose block is a document or holds one. The rest is about other records: passed over.
_PAGES = {"conversion", "response", "resource"}
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


def records(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A piece a record; None where it is no page, or was read before. Raises Damaged, OSError."""
    number = 0
    file = stored(stream)
    if file is not None:
        place = _Place()
        for number, piece in _by_fastwarc(found, file, maker, skip, place):
            yield number, piece
        stream, number, skip = restarted(stream, place.at), max(0, place.number - 1), max(skip, place.number)
    yield from _by_block(found, stream, maker, skip, number)


class _Place:
    """The last record that counts: its number, and where in the file it begins."""

    number, at = 0, 0


def _by_fastwarc(
    found: Found, file: io.BufferedReader, maker: Maker, skip: int, place: _Place
) -> Iterator[Piece]:
    """All but the last record, as far as they are what they should be. Raises OSError of the disk."""
    from fastwarc.warc import ArchiveIterator

    waiting: Document | Unreadable | None = None
    file.seek(0)
    records = iter(ArchiveIterator(file, parse_http=False, max_content_length=None))
    number, at = 0, -1
    while True:
        try:
            record = next(records, None)
            if record is None:
                return
            begins, heads = record.stream_pos, _named(record.headers)
            if begins <= at or "content-length" not in heads:
                return  # more than one record in a gzip member, say: nobody knows where they begin
            if number:
                place.number, place.at = number, at
                yield number, waiting
            number, at = number + 1, begins
            wanted = number > skip and heads.get("warc-type", "").lower() in _PAGES
            waiting = _piece(found, maker, number, heads, record) if wanted else None
        except OSError as error:
            if error.errno is not None:
                raise
            return
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of Rust: no Exception
                raise
            return


def _by_block(
    found: Found, stream: io.BufferedReader, maker: Maker, skip: int, number: int
) -> Iterator[Piece]:
    """number: of the records before the stream."""
    reader = Blocks(stream, maker.config.max_document_bytes + HEAD_LIMIT)
    while True:
        number += 1
        piece: Document | Unreadable | None = None
        try:
            block = reader.next()
            if block is None:
                return
            if number > skip and block.heads.get("warc-type", "").lower() in _PAGES:
                piece = _document(found, maker, number, _Page.of_block(block, maker))
        except (Broken, NotADocument) as error:
            head = error.head if isinstance(error, Broken) else b""
            piece = unreadable(found, number, error, head)
        except Damaged as error:
            if not go_on_after_damage(stream):
                raise
            reader.forget()
            piece = unreadable(found, number, f"its gzip member is damaged: {error}")
        yield number, piece if number > skip else None


class _Page(NamedTuple):
    """heads: of the record, by name in lower case. declared: what its body is said to be. http: undone."""

    heads: dict[str, str]
    body: bytes
    declared: str
    http: bool

    @classmethod
    def of_block(cls, block: Block, maker: Maker) -> _Page:
        """Raises NotADocument."""
        limit = maker.config.max_document_bytes
        if block.block is None:
            raise NotADocument(too_large(block.size, limit))
        heads, declared = block.heads, block.heads.get("content-type", "")
        if not declared.lower().startswith("application/http"):
            return cls(heads, block.block, declared, http=False)
        is_answer = heads["warc-type"].lower() == "response"
        return cls(heads, *(undone_block(block.block, limit) if is_answer else (b"", "")), http=True)

    @classmethod
    def of_record(cls, heads: dict[str, str], record: WarcRecord, maker: Maker) -> _Page:
        """Raises NotADocument."""
        limit, declared = maker.config.max_document_bytes, heads.get("content-type", "")
        if record.content_length > limit + HEAD_LIMIT:
            raise NotADocument(too_large(record.content_length, limit))
        if not declared.lower().startswith("application/http"):
            return cls(heads, record.reader.read(), declared, http=False)
        record.is_http = True
        is_answer = heads["warc-type"].lower() == "response"
        return cls(heads, *(_undone(record, limit) if is_answer else (b"", "")), http=True)


def _named(headers: HeaderMap) -> dict[str, str]:
    """By name in lower case; of two with one name the first. To ask for one costs more than to list all."""
    heads: dict[str, str] = {}
    for name, value in headers.to_tuples():
        heads.setdefault(name.lower(), value)
    return heads


def _piece(
    found: Found, maker: Maker, number: int, heads: dict[str, str], record: WarcRecord
) -> Document | Unreadable | None:
    try:
        return _document(found, maker, number, _Page.of_record(heads, record, maker))
    except NotADocument as error:
        return unreadable(found, number, error)


def _document(found: Found, maker: Maker, number: int, page: _Page) -> Document | None:
    """None where there is no page in it. Raises NotADocument."""
    heads, body = page.heads, page.body
    if not body:
        return None
    if heads["warc-type"].lower() == "conversion":
        media_type = kinds.TEXT
    else:
        media_type = media_type_of(body, page.declared)
    if not media_type:
        return None
    said = {_NAMES.get(name, name): text for name, text in heads.items() if name not in _NOT_METADATA}
    if page.http:
        said["content-type"] = page.declared
    identifier = heads.get("warc-record-id", "").strip("<> ")
    return maker.of_page((found.uri, number), body, media_type, identifier, said)


def media_type_of(body: bytes, declared: str) -> str:
    """Of what came over HTTP; "" where it is no document."""
    return kinds.page_type(body) or _MEDIA_TYPES.get(_bare(declared), "")


def undone_block(block: bytes, limit: int) -> tuple[bytes, str]:
    """The body of an HTTP response, as it came, and its Content-Type; nothing where it was no success.

    Raises NotADocument.
    """
    from fastwarc.warc import WarcRecord, WarcRecordType

    record = WarcRecord()
    record.init_headers(WarcRecordType.response)
    record.is_http = True
    record.set_bytes_content(block)
    return _undone(record, limit)


def _undone(record: WarcRecord, limit: int) -> tuple[bytes, str]:
    """As undone_block."""
    try:
        record.parse_http(auto_decode="all")
        status = record.http_headers.status_code if record.http_headers else None
        if status is None:
            raise NotADocument("its HTTP response has no status")
        if not 200 <= status < 300:
            return b"", ""
        return _read(record, limit + 1), _named(record.http_headers).get("content-type", "")
    except (OSError, ValueError) as error:
        raise NotADocument(f"its HTTP response cannot be undone: {error}") from error


def _read(record: WarcRecord, limit: int) -> bytes:
    """The body, or its first bytes. In steps of its packed size: fastwarc takes memory for all of a step."""
    step = record.content_length + 1
    body = record.reader.read(min(step, limit))
    while len(body) < limit and (more := record.reader.read(min(step, limit - len(body)))):
        body += more
    return body


def unreadable(found: Found, number: int, error: object, head: bytes = b"") -> Unreadable:
    """A record that gave no document."""
    return Unreadable(f"{found.uri}#{number}", head, f"{found.shown}, WARC record {number}: {error}")


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
