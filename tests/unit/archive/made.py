"""Archives of many short documents, written as the service writes its files, without a river."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import xxhash

from contracts import ArchiveFile
from services.archive.file import write
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
    """Announced files of so many rows."""
    files = Files.of(store, "documents", "pool.zh", "id", 0)
    logged = datetime.fromisoformat(day).replace(tzinfo=UTC)
    empty: dict[str, Any] = dict.fromkeys(DOCUMENTS.columns)
    for first in range(numbers.start, numbers.stop, file_rows):
        some = range(first, min(first + file_rows, numbers.stop))
        rows = [
            empty
            | {"uid": uid_of(n), "id": name(n), "source": "file:///crawl", "bucket": "zh", "topic": "pool.zh"}
            | {"partition": 0, "offset": n, "logged": logged, "text": f"text of {n}", "num_tokens": 5}
            for n in some
        ]
        announced = ArchiveFile(
            table="documents", day=day, name=files.name(day, some[0], some[-1]), rows=len(rows)
        )
        encoded = write(rows, DOCUMENTS, {})
        store.put(ids_key(announced.name), encoded.ids)
        store.put(file_key(announced.name), encoded.data)
        mark(store, announced)
