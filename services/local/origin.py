"""From which river a folder has its documents, where it was mixed from another's (`mix --from`)."""

from __future__ import annotations

from pathlib import Path

from services.local.store import STATE, begun_with
from services.runtime import ConfigurationError

_FILE = "mixed_from"  # in the state folder


def origin(out: Path) -> Path | None:
    """The folder of the other river, or None."""
    try:
        return Path((out / STATE / _FILE).read_text(encoding="utf-8").strip())
    except OSError:
        return None


def keep_origin(out: Path, source: Path) -> None:
    """Write it down; the state folder is there."""
    (out / STATE / _FILE).write_text(f"{source.absolute()}\n", encoding="utf-8")


def check_origin(out: Path, source: Path | None) -> None:
    """Before anything starts on a folder. source: the other river, or None where documents are read.

    Raises ConfigurationError: nothing there knows the duplicates of what was read elsewhere.
    """
    known = origin(out)
    if source is None and known is not None:
        raise ConfigurationError(
            f"the documents of {out} are those of {known}, where new ones are deduplicated: give them to "
            f"`corpusworks run … --out {known}`, then `corpusworks mix --out {out} --from {known}` again"
        )
    if source is not None and known is None and begun_with(out) is not None:
        raise ConfigurationError(f"--out {out} holds a river of its own: choose a new folder")
    if source is not None and known is not None and known != source.absolute():
        raise ConfigurationError(f"--out {out} was mixed from {known}: choose a new folder for {source}")
