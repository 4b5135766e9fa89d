"""The archive that a question is put to, and a word where a river has more than is in it."""

from __future__ import annotations

import sys
from pathlib import Path

from services.local.letters import LETTERS
from services.local.store import STATE, store_in
from services.runtime import ObjectStore


def archive_in(place: str) -> ObjectStore:
    """As store_in. What came last waits for its file's size or age, and a `run` that ends leaves nothing.

    Raises ConfigurationError.
    """
    store = store_in(place)
    if "://" not in place:
        folder = Path(place)
        root = folder.parent if folder.name == "parts" else folder
        if (root / STATE).is_dir() and not (root / LETTERS).exists():
            print(
                "corpusworks: a river runs here, or was interrupted, and what came last may not be archived "
                "yet; `status` counts it, and a `run` that ends archives it",
                file=sys.stderr,
            )
    return store
