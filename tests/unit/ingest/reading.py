"""Reading into lists, and writing what is read: for the tests of ingest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from contracts import Document, IngestProgress
from services.ingest import FileReader, IngestConfig
from services.runtime import IMPORT, Read, Recorded, Unreadable

NOW = 1_700_000_000_123


def reads(
    *paths: Path | str, progress: dict[str, IngestProgress] | None = None, **settings: Any
) -> list[Read]:
    config = IngestConfig(paths=tuple(map(str, paths)), **settings)
    known = Recorded(each for name, each in (progress or {}).items() if name != IMPORT)
    if progress and IMPORT in progress:
        known.began_ms = progress[IMPORT].began_ms
    steps = FileReader(config, now_ms=lambda: NOW)(known)
    return [step for step in steps if isinstance(step, Read)]


def documents(steps: Iterable[Read]) -> list[Document]:
    return [document for step in steps for document in step.documents]


def unreadable(steps: Iterable[Read]) -> list[Unreadable]:
    return [piece for step in steps for piece in step.unreadable]


def reached(steps: Iterable[Read]) -> dict[str, IngestProgress]:
    return {step.progress.source: step.progress for step in steps}


def skipped(steps: Iterable[Read]) -> dict[str, str]:
    """Reason by file name."""
    return {
        source.rpartition("/")[2]: last.skipped for source, last in reached(steps).items() if last.skipped
    }


def only_error(steps: Iterable[Read]) -> str:
    (piece,) = unreadable(steps)
    return piece.error


def jsonl(path: Path, records: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


def texts(count: int) -> list[dict[str, str]]:
    return [{"id": f"r{number}", "text": f"text {number} 文"} for number in range(1, count + 1)]
