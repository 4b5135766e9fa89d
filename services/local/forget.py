"""`run --fresh`: what a folder's river left is forgotten, all or nothing.

A mark is written first and removed last. A start that finds one finishes the forgetting before anything
else, so that a kill in between never leaves old parts to a new river.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from services.local import letters, reports
from services.local.folder import LOCK, FolderLock
from services.local.store import STATE, begun_with, check, remove_empty, url_of
from services.runtime import ConfigurationError, ObjectStore, load_settings
from services.runtime.clients.log import Log
from services.runtime.topology import Topology

MARK = "forgetting.json"
_FOLDERS = ("catalog", "parts", "bodies", "vocabularies", "archive", "ledger", "uploads")
_OWNER = "parts/river.json"
# What a river writes: nothing else in a folder or a bucket is touched.
_OURS = re.compile(
    rf"{_OWNER}|parts/lane-\d+/(manifest\.jsonl|part-[-\da-f]+\.(bin|idx|jsonl))"
    r"|catalog/\d{12}(-\d{12})?\.jsonl"
    r"|bodies/[-\w.]+/\d{4}-\d\d-\d\d/[\da-f]{32}|vocabularies/[\da-f]+\.(json|file)"
    r"|uploads/(pieces/\d{4}-\d\d-\d\d/[\da-f-]+/\d{16}|(begun|ready)/[\da-f]+\.json)"
    r"|ledger/tally-[\da-f]{8}-\d{18}\.json"
    r"|lanes/lane-\d+/gone-[\da-f]{8}/\d+\.npz"
    r"|archive/\w+/day=[-\d]+/_?([-\w.]+-[\da-f]{8}-\d+-\d+-\d+|merged(-[\da-f]{16}){1,3})"
    r"\.(parquet|json|ids|new)"
)


def forget(out: Path, topology: Topology) -> None:
    """Remove what a river left in `out` and in its store. Raises ConfigurationError, DependencyDown."""
    settings = load_settings()
    if "bootstrap_servers" in settings.kafka.model_fields_set:
        with Log(settings) as log:
            there = sorted(log.topics() & set(topology.topics()))
        if there:
            raise ConfigurationError(
                f"--fresh forgets what is in {out} and its store, and this river's topics are on your own "
                f"Kafka ({there[0]} and {len(there) - 1} more): delete them and the groups corpusworks.* "
                "there first, or run without --fresh"
            )
    url = begun_with(out) or url_of(out, settings)
    check(url, settings)  # before anything is marked
    out.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(out / STATE)  # raises when it is in use
    try:
        written = out / f"{MARK}.new"
        with written.open("w") as file:
            file.write(json.dumps({"store": url}))
            file.flush()
            os.fsync(file.fileno())
        written.rename(out / MARK)
        _remove(out, url)
    finally:
        lock.release()


def finish(out: Path) -> None:
    """Go on where a forgetting was interrupted; nothing to do where none was."""
    if not (out / MARK).exists():
        return
    lock = FolderLock(out / STATE)
    try:
        _remove(out, str(json.loads((out / MARK).read_text())["store"]))
    finally:
        lock.release()


def refuse_half(out: Path) -> None:
    """Raises ConfigurationError for a folder of which a part is forgotten: there is nothing to look at."""
    if (out / MARK).exists():
        raise ConfigurationError(
            f"{out} is being forgotten, and was interrupted in it: the next `run` or `up` there finishes it"
        )


def _remove(out: Path, url: str) -> None:
    try:
        _empty_store(ObjectStore(url))
        if url == out.absolute().as_uri():
            for name in _FOLDERS:
                remove_empty(out / name)
        for path in (out / STATE).iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
        reports.forget(out)
        letters.forget(out)
        (out / STATE / LOCK).unlink(missing_ok=True)
        (out / STATE).rmdir()
        (out / MARK).unlink()
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or out} cannot be removed: {error.strerror or error}. {out} is forgotten in "
            "part; mend that, and the next `run` or `up` there finishes it"
        ) from error


def _empty_store(store: ObjectStore) -> None:
    """Whose it is goes last: until then no other river takes it."""
    keys = [key for folder in _FOLDERS for key in store.list(folder) if _OURS.fullmatch(key)]
    store.delete(key for key in keys if key != _OWNER)
    store.delete([_OWNER])
