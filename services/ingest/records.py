"""The records of a JSON file, one after the other: documents, and what could not become one.

Each reader yields (number, piece): number is how many records lie behind once the piece is published,
so that reading goes on after `skip` of them exactly where it stopped. A piece is None for a record that
was read before, so that a long way to the first new one is not taken for a hang.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

from contracts import Document
from services.ingest.document import Maker, NotADocument, too_large
from services.ingest.found import Found, Skipped
from services.ingest.kinds import NO_TEXT_FIELD, suffix_of
from services.ingest.streams import HEAD_BYTES, Overlong, lines
from services.runtime import Format, Unreadable

Piece = tuple[int, Document | Unreadable | None]


def json_lines(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A record a line; blank lines are no records. Constant memory whatever the length of a line."""
    uri, limit, number = found.uri, maker.config.max_document_bytes, 0
    for line_number, line in enumerate(lines(stream, limit), start=1):
        if isinstance(line, bytes) and line.isspace():
            continue
        number += 1
        if number <= skip:
            yield number, None
            continue
        piece: Document | Unreadable
        try:
            if isinstance(line, Overlong):
                raise NotADocument(f"the line is too long: {too_large(line.size, limit)}")
            piece = maker.of_record(uri, number, _decode(line))
        except (MemoryError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a record does, the next is another
            head = line.head if isinstance(line, Overlong) else line[:HEAD_BYTES]
            piece = Unreadable(f"{uri}#{number}", head, f"{found.shown}, line {line_number}: {said(error)}")
        yield number, piece


def json_file(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """One array of records, or one record over several lines; read whole, so bounded by the limit."""
    uri, limit = found.uri, maker.config.max_document_bytes
    data = stream.read(limit + 1)
    try:
        if len(data) > limit:
            raise NotADocument(
                f"a JSON file is read whole and this is above the limit of {limit:,} bytes; "
                "write it as JSON lines (jq -c '.[]')"
            )
        records = _decode(data)
    except NotADocument as error:
        yield 1, Unreadable(f"{uri}#1", data[:HEAD_BYTES], f"{found.shown}: {error}")
        return
    records = records if isinstance(records, list) else [records]
    if not found.named and suffix_of(found.path) == ".json" and not any(map(maker.has_text, records)):
        raise Skipped(NO_TEXT_FIELD)
    for number, record in enumerate(records[skip:], start=skip + 1):
        yield number, piece_of(found, maker, number, record)


def of_format(
    found: Found, stream: io.BufferedReader, form: Format, maker: Maker, skip: int
) -> Iterator[Piece]:
    """The records of a format that an installed package adds."""
    for number, record in enumerate(form.read(stream), start=1):
        yield number, None if number <= skip else piece_of(found, maker, number, record)


def piece_of(found: Found, maker: Maker, number: int, record: object) -> Document | Unreadable:
    """The document of a record, or why there is none."""
    try:
        return maker.of_record(found.uri, number, record)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a record does, the next is another
        head = b""
        with contextlib.suppress(ValueError, TypeError, RecursionError, OverflowError):
            head = json.dumps(record, ensure_ascii=False, default=str).encode("utf-8", "replace")[:HEAD_BYTES]
        return Unreadable(f"{found.uri}#{number}", head, f"{found.shown}, record {number}: {said(error)}")


def said(error: Exception) -> str:
    """An error for a person: ours say all, another's needs its name."""
    text = str(error) if isinstance(error, NotADocument) else f"{type(error).__name__}: {error}"
    return text[:2000]


def _decode(data: bytes) -> Any:
    """JSON in UTF-8. Raises NotADocument."""
    try:
        return json.loads(data.removeprefix(codecs.BOM_UTF8).rstrip().decode())
    except UnicodeDecodeError as error:
        raise NotADocument(f"not UTF-8 at byte {error.start + 1}; convert it to UTF-8 (iconv)") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise NotADocument(f"not JSON: {error.msg} at {where}column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, arrays nested too deep
        raise NotADocument(f"not JSON that can be read: {error}") from error
