"""A file that was found: what it is called, whether it is the same as before, and its bytes."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

BUFFER_BYTES = 256 << 10


class Skipped(Exception):
    """A file that is no document by nature. The text is the reason."""


class Refused(Exception):
    """A file that is not to be read. The text is the reason, and what to do."""


@dataclass(frozen=True)
class Found:
    """A file, or a folder that cannot be listed (then with the error). named: by the user, itself.

    origin: its URI, where that is not its path's: what lies there only to be read, as a member of an archive
    does, or lies elsewhere. refused: why it is not to be read.
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

    def stamp(self) -> str:
        """Another when the content is, as far as can be told without reading. Raises Skipped, Refused,
        OSError.
        """
        if self.refused:
            raise Refused(self.refused)
        if self.error:
            raise self.error
        try:
            status = os.stat(self.path)
        except FileNotFoundError as error:
            raise Skipped("a link to nothing, or gone since the folder was listed") from error
        if not stat.S_ISREG(status.st_mode):
            raise Skipped("not a regular file")
        return f"{status.st_size}-{status.st_mtime_ns}"

    def open(self) -> io.BufferedReader:
        """Its bytes as they are stored, to be read from any place. Raises OSError."""
        return cast(io.BufferedReader, open(self.path, "rb", buffering=BUFFER_BYTES))
