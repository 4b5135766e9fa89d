"""An exporter: a JSON line for each document, with its id and token ids."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class LinesWriter:
    """A file for each part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, part: Any, documents: Iterable[Any]) -> None:
        """One part, after those before it. documents: each with `record` and `tokens`."""
        with (self._folder / f"{part.name.rpartition('/')[2]}.jsonl").open("w", encoding="utf-8") as file:
            for document in documents:
                row = {"id": document.record.id, "tokens": document.tokens.tolist()}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def finish(self) -> None:
        """Each part's file is whole already."""
