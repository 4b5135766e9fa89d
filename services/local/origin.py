"""From which river a folder has its documents, where it was mixed from another's (`mix --from`)."""

from __future__ import annotations

import os
from pathlib import Path

from services.local.private import write_private
from services.local.store import STATE, begun_with
from services.runtime import ConfigurationError

_FILE = "mixed_from"  # in the state folder


def origin(out: Path) -> Path | None:
    """The folder of the other river, or None."""
    return _known(out)[0]


def keep_origin(out: Path, source: Path, river: str) -> None:
    """Write it down; the state folder is there. river: see check_origin."""
    write_private(out / STATE / _FILE, f"{os.path.abspath(source)}\n{river}\n")


def check_origin(out: Path, source: Path | None, river: str = "") -> None:
    """Before anything starts on a folder. source: the other river, or None where documents are read; river:
    what that is known by wherever its folder lies, empty where it was not asked yet.

    Raises ConfigurationError: nothing there knows the duplicates of what was read elsewhere.
    """
    known, known_river = _known(out)
    if source is None and known is not None:
        raise ConfigurationError(
            f"the documents of {out} are those of {known}, where new ones are deduplicated: give them to "
            f"`corpusworks run … --out {known}`, then `corpusworks mix --out {out} --from {known}` again"
        )
    if source is not None and known is None and begun_with(out) is not None:
        raise ConfigurationError(f"--out {out} holds a river of its own: choose a new folder")
    if source is not None and known is not None and known.resolve() != source.resolve():
        moved = not (known / STATE).exists() and river in ("", known_river)
        if not moved:
            raise ConfigurationError(f"--out {out} was mixed from {known}: choose a new folder for {source}")


def _known(out: Path) -> tuple[Path | None, str]:
    """The folder as it was called, in whose name may be what ends a line, and what its river is known by."""
    try:
        text = (out / STATE / _FILE).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None, ""
    folder, river, *_ = [*text.rsplit("\n", 2)[:-1], ""]
    return Path(folder), river
