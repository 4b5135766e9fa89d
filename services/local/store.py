"""Where the parts of a river on this machine are: in its folder, or in a store of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from services.local.private import write_private
from services.runtime import ConfigurationError, ObjectStore, Settings, load_settings, meant_path
from services.runtime.clients.store import folder_of

STATE = "state"
# In the state folder, the log of its river: a Kafka's, or of what was mixed from another one's, a file.
KAFKA, JOURNAL = "kafka", "journal"
_FILE = "store"  # in the state folder: the store's URL where it is not the folder itself


def url_of(out: Path, settings: Settings | None = None) -> str:
    """The store of the river in `out`: what it was begun with, else what is set, else `out`.

    Raises ConfigurationError when another one is set than it was begun with.
    """
    given = settings or load_settings()
    wanted = given.store_url if "store_url" in given.model_fields_set else None
    begun = begun_with(out)
    if begun is None:
        return wanted or out.absolute().as_uri()
    if wanted is not None and wanted != begun:
        raise ConfigurationError(
            f"the river in {out} has its parts in {begun}, and CORPUSWORKS_STORE_URL is {wanted}: set that, "
            "or unset it, or choose another folder. (`run --fresh` forgets the old river with its parts.)"
        )
    return begun


def begun_with(out: Path) -> str | None:
    """The store that the river in `out` writes to, whatever is set now; None where there is no river."""
    try:
        return (out / STATE / _FILE).read_text().strip() or out.absolute().as_uri()
    except OSError:
        return None


def keep_url(out: Path, url: str) -> None:
    """Write down where the parts are, for later commands; the state folder is there."""
    write_private(out / STATE / _FILE, "" if url == out.absolute().as_uri() else url + "\n")


def check(url: str, settings: Settings) -> None:
    """A store of the user's own that is not there would be waited for.

    Raises ConfigurationError, DependencyDown.
    """
    if url.startswith("file:"):
        folder_of(url)  # which nobody makes yet
    else:
        ObjectStore(url, timeout_s=settings.store_timeout_s, retry_s=settings.store_retry_s).check()


def store_in(place: str) -> ObjectStore:
    """The store of a folder given to run or up, or of a URL. Raises ConfigurationError where no parts are."""
    url, near = place, ""
    if "://" not in place:
        folder = Path(place)
        near = "" if folder.is_dir() else meant_path(folder)
        root = folder.parent if folder.name == "parts" else folder
        url = begun_with(root) or root.absolute().as_uri()
    missing = ConfigurationError(
        f"{place} holds no parts: give what `run` was given as --out, or its store{near}"
    )
    if url.startswith("file:") and not (folder_of(url) / "parts").is_dir():
        raise missing  # a store would make the folder
    store = ObjectStore(url)
    if next(store.list("parts"), None) is None:
        raise missing
    return store


def remove_empty(folder: Path) -> None:
    """The folders below it, and itself, as far as nothing is in them."""
    for path, _, _ in sorted(os.walk(folder), reverse=True):
        if not os.listdir(path):
            os.rmdir(path)
