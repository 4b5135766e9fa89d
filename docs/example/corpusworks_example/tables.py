"""A format: tables with tabs, a record a line, the first line names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from services.runtime import Format


def read(file: BinaryIO) -> Iterator[Mapping[str, Any]]:
    """The rows; a column called text, and maybe id, url, title, licence."""
    lines = io.TextIOWrapper(file, encoding="utf-8", newline="")
    return csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


TSV = Format(suffixes=(".tsv",), read=read)
