"""Keyword files that may change while the service runs: looked at every few seconds, not for each document.

A file is a path, or store:KEY in the object store. What is wrong at the start ends the service; what becomes
wrong later is logged, and the words that were there before hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from services.rules.keywords.lists import WordList, parse
from services.rules.keywords.search import Keywords
from services.runtime import ConfigurationError, DependencyDown, ObjectStore

logger = structlog.get_logger(__name__)

EVERY_S = 10.0
_IN_STORE = "store:"


def require(files: Sequence[str]) -> None:
    """That each can be used; those in the store are left to who has it. Raises ConfigurationError."""
    Watched([file for file in files if not file.startswith(_IN_STORE)], _no_store)


class Watched:
    """The words of some files as they are now. Raises ConfigurationError for a file that cannot be used."""

    def __init__(
        self,
        files: Sequence[str],
        store: Callable[[], ObjectStore],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files, self._store, self._now = files, store, now
        self._looked = now()
        self._contents = self._read()
        self._keywords = self._loaded(self._contents)

    def current(self) -> Keywords:
        """What holds now. Reads the files when the last look is some time ago; call it once a batch."""
        if self._now() - self._looked >= EVERY_S:
            self._looked = self._now()
            self._look()
        return self._keywords

    def _look(self) -> None:
        try:
            contents = self._read()
            if contents != self._contents:
                self._keywords = self._loaded(contents)
                self._contents = contents
                logger.info("keyword files have changed and are loaded", files=list(self._files))
        except (ConfigurationError, DependencyDown) as error:
            logger.error("keyword files cannot be loaded anew; the words from before hold", error=str(error))

    def _read(self) -> dict[str, bytes]:
        return {file: self._content(file) for file in self._files}

    def _content(self, file: str) -> bytes:
        try:
            if file.startswith(_IN_STORE):
                return self._store().get(file.removeprefix(_IN_STORE))
            return Path(file).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"keyword file {file} cannot be read: {error}") from error

    def _loaded(self, contents: dict[str, bytes]) -> Keywords:
        lists: list[WordList] = [each for file, content in contents.items() for each in parse(file, content)]
        try:
            return Keywords(lists)
        except ValueError as error:
            raise ConfigurationError(f"keyword files {', '.join(self._files)}: {error}") from error


def _no_store() -> ObjectStore:
    raise AssertionError("no file of these is in a store")
