"""The records of an ARC file, what archives of the web were before WARC; numbered as in records.py.

A record is a line (URL, IP address, date, media type, length; in version 2 also others between) and so many
bytes: an HTTP response. The first is about the file. (Internet Archive, "Arc File Format", 1996.)
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from contracts import Document
from services.ingest.document import Maker, NotADocument, too_large
from services.ingest.found import Found
from services.ingest.records import Piece
from services.ingest.streams import Damaged, go_on_after_damage
from services.ingest.warc import media_type_of, undone_block, unreadable
from services.ingest.warc_blocks import HEAD_LIMIT
from services.runtime import Unreadable

_HEAD = re.compile(rb"(?P<url>[a-z]+:\S.*?) \S+ (?P<date>\d{14}) \S+ (?:\S+ ){0,5}?(?P<size>\d+)\s*$", re.I)


def records(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A piece a record; None where it is no page, or was read before. Raises Damaged, OSError."""
    number = 0
    while True:
        number += 1
        piece: Document | Unreadable | None = None
        try:
            head = _next_head(stream)
            if not head:
                return
            piece = _piece(found, stream, maker, number, head)
        except NotADocument as error:
            piece = unreadable(found, number, error)
        except Damaged as error:
            if not go_on_after_damage(stream):
                raise
            piece = unreadable(found, number, f"its gzip member is damaged: {error}")
        yield number, piece if number > skip else None


def _next_head(stream: io.BufferedReader) -> re.Match[bytes] | None:
    """None at the end. Raises NotADocument where the next record does not follow; one does then."""
    line = stream.readline(HEAD_LIMIT)
    while line and line.isspace():
        line = stream.readline(HEAD_LIMIT)
    if not line:
        return None
    if match := _HEAD.match(line):
        return match
    while (line := stream.peek(HEAD_LIMIT).partition(b"\n")[0]) or stream.peek(1):
        if _HEAD.match(line):
            break
        stream.readline(HEAD_LIMIT)
    raise NotADocument("it does not begin as a record does; fetch the file again")


def _piece(
    found: Found, stream: io.BufferedReader, maker: Maker, number: int, head: re.Match[bytes]
) -> Document | None:
    """Raises NotADocument."""
    size, limit = int(head["size"]), maker.config.max_document_bytes
    if size > limit + HEAD_LIMIT:
        while size > 0 and (some := stream.read(min(size, 1 << 20))):
            size -= len(some)
        raise NotADocument(too_large(int(head["size"]), limit))
    block = stream.read(size)
    if len(block) < size:
        raise NotADocument("it is cut off; fetch the file again")
    if not block.startswith(b"HTTP/"):
        return None  # about the file, or the answer of a name server
    body, declared = undone_block(block, limit)
    media_type = media_type_of(body, declared)
    if not body or not media_type:
        return None
    date = head["date"].decode()
    said = {
        "url": head["url"].decode("utf-8", "replace"),
        "date": f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:]}Z",
        "content-type": declared,
    }
    return maker.of_page((found.uri, number), body, media_type, "", said)
