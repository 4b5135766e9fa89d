"""Which files there are, in an order that does not change between runs."""

from __future__ import annotations

import glob
import heapq
import os
from collections.abc import Iterator, Sequence
from functools import partial

from services.ingest.config import IngestConfig
from services.ingest.found import Found
from services.ingest.pattern import is_pattern
from services.ingest.remote import is_remote, place_of
from services.runtime import ConfigurationError, meant_path

# Made by tools out of what is already there; hidden folders (.git, .venv) are passed over as such.
_GENERATED = {"__pycache__", "node_modules", "CVS"}
# Names of one folder in memory. A folder of more is listed once for each so many: a million in 20 listings.
_MAX_NAMES = 50_000


def check(paths: Sequence[str]) -> None:
    """Raises ConfigurationError for a path that is not there or is neither a file nor a folder, or a URL of a
    kind that is not read; whether there is something at a URL it does not ask.
    """
    for path in paths:
        if is_remote(path):
            place_of(path, IngestConfig(paths=(path,)))
        elif os.path.isfile(path) or os.path.isdir(path):
            continue
        elif os.path.exists(path):
            raise ConfigurationError(f"{path} is neither a file nor a folder; write its content to a file")
        elif not is_pattern(path):
            meant = meant_path(path) or "; check the path"
            raise ConfigurationError(f"{path} does not exist, or may not be looked at{meant}")
        elif next(_matches(path), None) is None:
            raise ConfigurationError(f"{path} matches no file; check the pattern")


def check_remote(config: IngestConfig) -> None:
    """Ask for the first file of each URL. Raises ConfigurationError where there is none, Unreachable."""
    for path in filter(is_remote, config.paths):
        next(place_of(path, config).files(), None)


def find(config: IngestConfig) -> Iterator[Found]:
    """All files that `config.paths` name, each once; those of this machine first.

    In a folder first its files, then its folders, by name. Links are followed; a folder that was already
    walked (a loop of links, or named twice) is not walked again. Hidden files and folders are passed over
    unless they are named themselves. Memory: the names of _MAX_NAMES files, whatever a folder holds.
    """
    here = [path for path in config.paths if not is_remote(path)]
    exact = [path for path in here if os.path.lexists(path) or not is_pattern(path)]
    absolute = list(dict.fromkeys(map(os.path.abspath, exact)))
    named = {path for path in absolute if not os.path.isdir(path)}
    walked: set[tuple[int, int]] = set()
    for path in absolute:
        if path in named:
            yield Found(path, named=True)
        else:
            yield from (found for found in _walk(path, walked) if found.path not in named)
    for pattern in dict.fromkeys(path for path in here if path not in exact):
        yield from _of_pattern(pattern, named, walked)
    for path in dict.fromkeys(filter(is_remote, config.paths)):
        yield from place_of(path, config).files()


def _of_pattern(pattern: str, named: set[str], walked: set[tuple[int, int]]) -> Iterator[Found]:
    for path in _matches(pattern):
        if os.path.isdir(path):
            yield from (found for found in _walk(path, walked) if found.path not in named)
        elif path not in named:
            yield Found(path)


def _matches(pattern: str) -> Iterator[str]:
    yield from sorted(map(os.path.abspath, glob.iglob(pattern, recursive="**" in pattern)))


def _walk(root: str, walked: set[tuple[int, int]]) -> Iterator[Found]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in walked:
                continue
            walked.add((status.st_dev, status.st_ino))
            folders: list[str] = []
            for name in _names(folder, folders):
                yield Found(os.path.join(folder, name))
        except OSError as error:
            yield Found(folder, error=error)
            continue
        waiting.extend(os.path.join(folder, name) for name in sorted(folders, reverse=True))


def _names(folder: str, folders: list[str]) -> Iterator[str]:
    """The names of its files in order; those of its folders go into `folders`. Raises OSError."""
    last, chosen = "", _smallest(folder, "", folders)
    while chosen:
        yield from chosen
        last = chosen[-1]
        chosen = _smallest(folder, last, None) if len(chosen) == _MAX_NAMES else []


def _smallest(folder: str, after: str, folders: list[str] | None) -> list[str]:
    """The first files behind that name. folders: takes the names of the folders, if it is a list."""
    with os.scandir(folder) as entries:
        return heapq.nsmallest(_MAX_NAMES, filter(partial(str.__lt__, after), _files(entries, folders)))


def _files(entries: Iterator[os.DirEntry[str]], folders: list[str] | None) -> Iterator[str]:
    for entry in entries:
        if not _visible(entry.name):
            continue
        if not _is_folder(entry):
            yield entry.name
        elif folders is not None:
            folders.append(entry.name)


def _visible(name: str) -> bool:
    return not name.startswith(".") and name not in _GENERATED


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # isdir, unlike DirEntry.is_dir, takes a link that leads to itself for no folder.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
