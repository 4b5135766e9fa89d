"""The records of a WARC file (ISO 28500) and of Common Crawl's WET, which is one; numbered as in records.py.

fastwarc reads them as long as all is well. A record counts once the one behind it has been made out, since a
wrong length shows there only; from the last that counts, what is damaged, and the end of each file, is framed
by warc_blocks.py, so that a damaged record costs itself alone: reading goes on at the next head, or at the
next gzip member. A record that is too large to be read is framed there, too.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from contracts import Document, media_types
from services.ingest import kinds
from services.ingest.document import Maker, NotADocument, too_large
from services.ingest.found import Found
from services.ingest.records import Piece
from services.ingest.streams import Damaged, quick, restarted
from services.ingest.warc_blocks import HEAD_LIMIT, Block, Blocks, Broken
from services.ingest.warc_feed import Feed
from services.ingest.warc_heads import Heads, layout_of
from services.runtime import Unreadable

if TYPE_CHECKING:
    from fastwarc.warc import WarcRecord

# Records whose block is a document or holds one. The rest is about other records: passed over.
_PAGES = {"conversion", "response", "resource"}


def records(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A piece a record; None where it is no page, or was read before. Raises Damaged, OSError."""
    bound = maker.config.max_document_bytes + HEAD_LIMIT
    fast = quick(stream)
    feed = Feed(fast, 2 * bound)  # a record that waits, and the one behind it
    number = yield from _by_fastwarc(found, feed, maker, skip, bound)
    if feed.ended:
        blocks = Blocks(io.BufferedReader(io.BytesIO()), bound, feed.left())
    elif fast is stream:
        blocks = Blocks(stream, bound, feed.left())
    else:
        blocks = Blocks(restarted(stream, feed.needed), bound)
    del feed  # what it kept, which may be much
    yield from _by_block(found, blocks, maker, max(skip, number), max(0, number - 1))


def _by_fastwarc(
    found: Found, feed: Feed, maker: Maker, skip: int, bound: int
) -> Generator[Piece, None, int]:
    """All but the last record, as far as they are what they should be.

    Returns the number of the last that counts, where it begins is what the feed then needs.
    """
    from fastwarc.warc import ArchiveIterator

    waiting: Document | Unreadable | None = None
    records = ArchiveIterator(cast(BinaryIO, feed), parse_http=False, max_content_length=None, inplace=True)
    number, at, counted = 0, -1, 0
    while True:
        try:
            record = next(records, None)
            if record is None:
                return counted
            begins, heads = record.stream_pos, record.headers
            layout = layout_of(heads.keys())
            if begins <= at or not layout.has_length or record.content_length > bound:
                return counted
            if number:
                counted, feed.needed = number, at
                yield number, waiting
            number, at, waiting = number + 1, begins, None
            if number > skip:
                waiting = _piece(found, maker, number, (layout, (*heads.values(), "")), record)
        except OSError:
            return counted
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of Rust: no Exception
                raise
            return counted


def _by_block(found: Found, blocks: Blocks, maker: Maker, skip: int, number: int) -> Iterator[Piece]:
    """number: of the records before those of `blocks`."""
    while True:
        number += 1
        piece: Document | Unreadable | None = None
        try:
            block = blocks.next()
            if block is None:
                return
            if number > skip:
                heads = layout_of(tuple(block.heads)), (*block.heads.values(), "")
                piece = _document(maker, (found.uri, number), heads, _body_of_block, block)
        except (Broken, NotADocument) as error:
            head = error.head if isinstance(error, Broken) else b""
            piece = unreadable(found, number, error, head)
        except Damaged as error:
            if not blocks.go_on():
                raise
            piece = unreadable(found, number, f"its gzip member is damaged: {error}")
        yield number, piece if number > skip else None


def _piece(
    found: Found, maker: Maker, number: int, heads: Heads, record: WarcRecord
) -> Document | Unreadable | None:
    try:
        return _document(maker, (found.uri, number), heads, _body_of_record, record)
    except NotADocument as error:
        return unreadable(found, number, error)


def _document(
    maker: Maker,
    source: tuple[str, int],
    heads: Heads,
    body_of: Callable[[_Record, int, bool], _Body],
    record: _Record,
) -> Document | None:
    """None where there is no page in it. source: URI and number of the record. body_of: of the record, given
    the limit of bytes and whether it came over HTTP. Raises NotADocument.
    """
    layout, values = heads
    kind, declared = values[layout.type].lower(), values[layout.media_type]
    is_http = declared.lower().startswith("application/http")
    if kind not in _PAGES or (is_http and kind != "response"):
        return None
    body, answered = body_of(record, maker.config.max_document_bytes, is_http)
    if not body:
        return None
    said = {name: values[place] for name, place in layout.said}
    if is_http:
        said["content-type"] = declared = answered
    media_type = media_types.TEXT if kind == "conversion" else media_type_of(body, declared)
    if not media_type:
        return None
    return maker.of_page(source, body, media_type, values[layout.identifier].strip("<> "), said)


_Record = TypeVar("_Record")
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
