"""The records of a WARC file (ISO 28500) and of Common Crawl's WET, which is one; numbered as in records.py.

fastwarc reads them as long as all is well. A record counts once the one behind it has been made out, since a
wrong length shows there only; from the last that counts, what is damaged, and the end of each file, is framed
by warc_blocks.py, so that a damaged record costs itself alone: reading goes on at the next head, or at the
next gzip member.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from contracts import Document
from services.ingest import kinds
from services.ingest.document import Maker, NotADocument, too_large
from services.ingest.found import Found
from services.ingest.records import Piece
from services.ingest.streams import Damaged, go_on_after_damage, restarted, stored
from services.ingest.warc_blocks import HEAD_LIMIT, Block, Blocks, Broken
from services.ingest.warc_heads import Heads, layout_of
from services.runtime import Unreadable

if TYPE_CHECKING:
    from fastwarc.warc import WarcRecord

# Records whose block is a document or holds one. The rest is about other records: passed over.
_PAGES = {"conversion", "response", "resource"}


def records(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A piece a record; None where it is no page, or was read before. Raises Damaged, OSError."""
    number = 0
    file = stored(stream)
    if file is not None:
        place = _Place()
        yield from _by_fastwarc(found, file, maker, skip, place)
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
    records = iter(ArchiveIterator(file, parse_http=False, max_content_length=None, inplace=True))
    number, at = 0, -1
    while True:
        try:
            record = next(records, None)
            if record is None:
                return
            begins, heads = record.stream_pos, record.headers
            layout = layout_of(heads.keys())
            if begins <= at or not layout.has_length:
                return  # more than one record in a gzip member, say: nobody knows where they begin
            if number:
                place.number, place.at = number, at
                yield number, waiting
            number, at, waiting = number + 1, begins, None
            if number > skip:
                waiting = _piece(found, maker, number, (layout, (*heads.values(), "")), record)
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
            if number > skip:
                heads = layout_of(tuple(block.heads)), (*block.heads.values(), "")
                body_of = partial(_body_of_block, block, maker.config.max_document_bytes)
                piece = _document(found, maker, number, heads, body_of)
        except (Broken, NotADocument) as error:
            head = error.head if isinstance(error, Broken) else b""
            piece = unreadable(found, number, error, head)
        except Damaged as error:
            if not go_on_after_damage(stream):
                raise
            reader.forget()
            piece = unreadable(found, number, f"its gzip member is damaged: {error}")
        yield number, piece if number > skip else None


def _piece(
    found: Found, maker: Maker, number: int, heads: Heads, record: WarcRecord
) -> Document | Unreadable | None:
    try:
        body_of = partial(_body_of_record, record, maker.config.max_document_bytes)
        return _document(found, maker, number, heads, body_of)
    except NotADocument as error:
        return unreadable(found, number, error)


def _document(
    found: Found, maker: Maker, number: int, heads: Heads, body_of: Callable[[bool], _Body]
) -> Document | None:
    """None where there is no page in it. body_of: given whether it came over HTTP. Raises NotADocument."""
    layout, values = heads
    kind, declared = values[layout.type].lower(), values[layout.media_type]
    is_http = declared.lower().startswith("application/http")
    if kind not in _PAGES or (is_http and kind != "response"):
        return None
    body, answered = body_of(is_http)
    if not body:
        return None
    said = {name: values[place] for name, place in layout.said}
    if is_http:
        said["content-type"] = declared = answered
    media_type = kinds.TEXT if kind == "conversion" else media_type_of(body, declared)
    if not media_type:
        return None
    return maker.of_page((found.uri, number), body, media_type, values[layout.identifier].strip("<> "), said)


_Body = tuple[bytes, str]  # and what HTTP says that it is, if it came so


def _body_of_record(record: WarcRecord, limit: int, is_http: bool) -> _Body:
    """Nothing where it is no page. Raises NotADocument."""
    if record.content_length > limit + HEAD_LIMIT:
        raise NotADocument(too_large(record.content_length, limit))
    if not is_http:
        return record.reader.read(), ""
    record.is_http = True
    return _undone(record, limit)


def _body_of_block(block: Block, limit: int, is_http: bool) -> _Body:
    """As _body_of_record."""
    if block.block is None:
        raise NotADocument(too_large(block.size, limit))
    return undone_block(block.block, limit) if is_http else (block.block, "")


def media_type_of(body: bytes, declared: str) -> str:
    """Of what came over HTTP; "" where it is no document."""
    return kinds.page_type(body) or kinds.PAGES.get(_bare(declared), "")


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
    from fastwarc.warc import WarcHeader

    try:
        record.parse_http(auto_decode="all")
        status = record.http_headers.status_code if record.http_headers else None
        if status is None:
            raise NotADocument("its HTTP response has no status")
        if not 200 <= status < 300:
            return b"", ""
        media_type = record.http_headers.get(WarcHeader.CONTENT_TYPE, "")
        return _read(record, limit + 1), media_type or ""
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
