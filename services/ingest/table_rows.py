"""The rows of a CSV file as records; numbered as in records.py. Of known layouts only: presets.py."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from services.ingest.document import Maker
from services.ingest.found import Found
from services.ingest.records import Piece, piece_of, said
from services.runtime import Unreadable


def header_of(head: bytes) -> list[str]:
    """The names in the first line of a file, or none."""
    line, end, _ = head.partition(b"\n")
    try:
        return next(csv.reader([line.decode("utf-8-sig")]), []) if end else []
    except (UnicodeDecodeError, csv.Error):
        return []


def csv_rows(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A record a row. A row with another number of fields is an Unreadable; after one that does not end
    nobody can go on.
    """
    csv.field_size_limit(maker.config.max_document_bytes)
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    rows = csv.reader(text)
    names = next(rows, [])
    number = 0
    try:
        for number, row in enumerate(rows, start=1):
            if number <= skip:
                yield number, None
            elif len(row) != len(names):
                problem = f"{found.shown}, row {number}: {len(row)} fields, not {len(names)}"
                yield number, Unreadable(f"{found.uri}#{number}", ",".join(row).encode()[:1000], problem)
            else:
                yield number, piece_of(found, maker, number, dict(zip(names, row, strict=True)))
    except csv.Error as error:
        problem = f"{found.shown}: no CSV after row {number}: {said(error)}"
        yield number + 1, Unreadable(f"{found.uri}#{number + 1}", b"", problem)
    finally:
        text.detach()
