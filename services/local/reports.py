"""The reports of runs: `report.json` is the last one, `reports/run-0001.json` and so on are all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPORT, PAGE = "report.json", "report.html"
_FOLDER = "reports"
_NAME = re.compile(r"run-(\d{4,})\.json")


def keep(out: Path, found: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Write a report down under the next number; with number, time and paths in it."""
    folder = out / _FOLDER
    folder.mkdir(exist_ok=True)
    number = max(numbers(out), default=0) + 1
    found = {
        "run": number,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "paths": list(paths),
        **found,
    }
    text = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
    (folder / f"run-{number:04}.json").write_text(text, encoding="utf-8")
    (out / REPORT).write_text(text, encoding="utf-8")
    return found


def numbers(out: Path) -> list[int]:
    """Of the runs whose reports are there, in order."""
    names = (_NAME.fullmatch(path.name) for path in (out / _FOLDER).glob("run-*.json"))
    return sorted(int(name[1]) for name in names if name)


def read(out: Path, number: int | None = None) -> dict[str, Any] | None:
    """The report of a run, or of the last one; None where there is none, or it cannot be read."""
    path = out / REPORT if number is None else out / _FOLDER / f"run-{number:04}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def forget(out: Path) -> None:
    """Remove them all, and the page."""
    for path in [out / REPORT, out / PAGE, *(out / _FOLDER).glob("run-*.json")]:
        if path.parent == out or _NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)
    if (out / _FOLDER).is_dir() and not any((out / _FOLDER).iterdir()):
        (out / _FOLDER).rmdir()
