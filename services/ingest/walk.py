"""Which files there are, in an order that does not change between runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from services.runtime import ConfigurationError, meant_path

# Made by tools out of what is already there; hidden folders (.git, .venv) are passed over as such.
_GENERATED = {"__pycache__", "node_modules", "CVS"}


@dataclass(frozen=True)
class Found:
    """A file, or a folder that cannot be listed (then with the error). named: by the user, itself.

    origin: the URI of what lies at `path` only to be read, as a member of an archive does. refused: why it is
    not to be read.
    """

    path: str
    named: bool = False
    error: OSError | None = None
    origin: str = ""
    refused: str = ""

    @cached_property
    def uri(self) -> str:
        """file:///absolute/path, percent-encoded."""
        return self.origin or Path(self.path).as_uri()

    @cached_property
    def shown(self) -> str:
        """The path for people; bytes that are not UTF-8 are replaced."""
        return self.origin or os.fsencode(self.path).decode("utf-8", "replace")


def check(paths: Sequence[str]) -> None:
    """Raises ConfigurationError for a path that is not there or is neither a file nor a folder."""
    for path in paths:
        if os.path.isfile(path) or os.path.isdir(path):
            continue
        if "://" in path:
            raise ConfigurationError(f"{path} is not on this machine; copy it to a folder and name that")
        if os.path.exists(path):
            raise ConfigurationError(f"{path} is neither a file nor a folder; write its content to a file")
        raise ConfigurationError(
            f"{path} does not exist, or may not be looked at{meant_path(path) or '; check the path'}"
        )


def find(paths: Sequence[str]) -> Iterator[Found]:
    """All files in and under `paths`, each once: in a folder first its files, then its folders, by name.

    Links are followed; a folder that was already walked (a loop of links, or named twice) is not walked
    again. Hidden files and folders are passed over unless they are named themselves.
    """
    absolute = list(dict.fromkeys(map(os.path.abspath, paths)))
    named = {path for path in absolute if not os.path.isdir(path)}
    walked: set[tuple[int, int]] = set()
    for path in absolute:
        if path in named:
            yield Found(path, named=True)
        else:
            yield from (found for found in _walk(path, walked) if found.path not in named)


def _walk(root: str, walked: set[tuple[int, int]]) -> Iterator[Found]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in walked:
                continue
            walked.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                visible = sorted((entry for entry in entries if _visible(entry.name)), key=lambda e: e.name)
        except OSError as error:
            yield Found(folder, error=error)
            continue
        folders = {entry.path for entry in visible if _is_folder(entry)}
        yield from (Found(entry.path) for entry in visible if entry.path not in folders)
        waiting.extend(entry.path for entry in reversed(visible) if entry.path in folders)


def _visible(name: str) -> bool:
    return not name.startswith(".") and name not in _GENERATED


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # isdir, unlike DirEntry.is_dir, takes a link that leads to itself for no folder.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
