"""Archives of many short documents, written as the service writes its files, without a river."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import xxhash

from contracts import ArchiveFile
from services.archive.file import Encoder, schema
from services.archive.files import Files, file_key, ids_key, mark
from services.archive.tables import DOCUMENTS
from services.runtime import ObjectStore

COLUMNS = ["uid", "id", "text"]


def uid_of(number: int) -> str:
    return f"{xxhash.xxh3_64_intdigest(str(number).encode()):016x}"


def name_of(number: int) -> str:
    return f"file:///crawl/{number}.html"


def made_documents(
    store: ObjectStore,
    numbers: range,
    file_rows: int,
    day: str,
    *,
    name: Callable[[int], str] = name_of,
) -> None:
    """Announced files of so many rows; by columns, since millions take long by rows."""
    files = Files.of(store, "documents", "pool.zh", "id", 0)
    logged = datetime.fromisoformat(day).replace(tzinfo=UTC)
    same = {"source": "file:///crawl", "bucket": "zh", "topic": "pool.zh", "partition": 0, "num_tokens": 5}
    for first in range(numbers.start, numbers.stop, file_rows):
        some = sorted(range(first, min(first + file_rows, numbers.stop)), key=uid_of)
        made: dict[str, Any] = {
            "uid": [uid_of(n) for n in some],
            "id": [name(n) for n in some],
            "text": [f"text of {n}" for n in some],
            "offset": some,
            "logged": [logged] * len(some),
            **{column: [value] * len(some) for column, value in same.items()},
        }
        columns = [
            pa.array(made.get(field.name, [None] * len(some)), field.type) for field in schema(DOCUMENTS)
        ]
        announced = ArchiveFile(
            table="documents", day=day, name=files.name(day, min(some), max(some)), rows=len(some)
        )
        encoder = Encoder(DOCUMENTS, {})
        encoder.add(pa.Table.from_arrays(columns, schema=schema(DOCUMENTS)), 512 * len(some))
        encoded = encoder.finish()
        store.put(ids_key(announced.name), encoded.ids)
        store.put(file_key(announced.name), encoded.data)
        mark(store, announced)
