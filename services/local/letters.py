"""Dead letters beside a river that is at rest, so that they can be asked for without its servers.

`OUT/letters.jsonl` is written at the end of a run and removed by whatever may change what it says: where it
lies, it is all of them.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.ledger.account import of_every_recipe
from services.ledger.letters import Letter, Selection, letters
from services.runtime import Settings
from services.runtime.clients.log import Log
from services.runtime.topology import Topology

LETTERS = "letters.jsonl"
_HEAD = 2000  # characters of a text
_SAID = ("url", "title", "licence")  # of the metadata


def keep(out: Path, settings: Settings, topology: Topology) -> None:
    """Write them down. No service runs any more; its servers do. Raises DependencyDown."""
    written = out / f"{LETTERS}.new"
    with written.open("w", encoding="utf-8") as file:
        for row in live(settings, topology):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    written.rename(out / LETTERS)


def kept(out: Path) -> list[dict[str, Any]] | None:
    """As `live` gives them; None where nobody has written them down since the river last ran."""
    try:
        with (out / LETTERS).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except (OSError, ValueError):
        return None


def reasons(out: Path, most: int = 10) -> dict[str, int]:
    """How many letters say the same, but for the place and the numbers in it; the most frequent first."""
    told = Counter(_kind(row) for row in kept(out) or ())
    return dict(told.most_common(most))


def _kind(row: dict[str, Any]) -> str:
    said = str(row["reason"])
    place, colon, rest = said.partition(": ")
    said = rest if colon and place.startswith("/") else said
    return f"{row['unit']}: {re.sub(r'[0-9][0-9,.]*', 'N', said)}"[:200]


def forget(out: Path) -> None:
    """Before something moves."""
    (out / LETTERS).unlink(missing_ok=True)


def live(settings: Settings, topology: Topology) -> Iterator[dict[str, Any]]:
    """A row for each, as the servers have them. Raises DependencyDown."""
    with Log(settings) as log:
        for letter in letters(log, of_every_recipe(topology, log), Selection()):
            yield _row(letter)


def _row(letter: Letter) -> dict[str, Any]:
    document = letter.document
    row: dict[str, Any] = {
        "letter": letter.id,
        "uid": f"{document.uid:016x}" if document else "",
        "id": letter.name,
        "source": (document.source if document else letter.name) or "",
        "unit": letter.stage,
        "reason": letter.error.partition("\n")[0],
        "detail": letter.said.get("exception.stacktrace") or None,
        "state": "waits" if letter.redriven_ms is None else "put back",
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "logged": letter.at_ms,
    }
    if document is None:
        return row | {"text": letter.value[:_HEAD].decode(errors="backslashreplace")}
    body = document.body[:_HEAD].decode(errors="replace")
    said = {name: document.metadata[name] for name in _SAID if document.metadata.get(name)}
    known = {name: getattr(document, name) or None for name in ("language", "format", "category", "bucket")}
    return row | known | {"metadata": said, "text": document.text[:_HEAD] or body or None}
