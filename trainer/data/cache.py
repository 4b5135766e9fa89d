"""Files from S3 on this machine: bounded, the least recently used go first, a file in use stays.

A file is in use as long as somebody holds it open: each open file carries a shared lock, and what is to be
removed is locked alone first. So the ranks of one machine share a folder, and need no server to agree.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

GIGABYTE = 10**9


class Cache:
    """A folder of files whose names say their content."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """max_bytes: of all files together; those in use stay even where they are more."""
        self._folder = folder
        self._max_bytes = max_bytes

    @classmethod
    def default(cls) -> Cache:
        """In the user's cache folder, up to 64 GB."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(home / "corpusworks" / "parts", 64 * GIGABYTE)

    def open(self, name: str, fetch: Callable[[], Iterable[bytes]], sha256: str = "") -> BinaryIO:
        """The file of this name, fetched if it is not there. Raises what fetch does; ValueError by sha256."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / name
        slot = hashlib.sha256(name.encode()).hexdigest()[:2]
        with (self._folder / f".lock-{slot}").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of two ranks that want it one fetches it
            if not path.exists():
                self._fetch(path, fetch, sha256)
            file = path.open("rb")
            fcntl.flock(file, fcntl.LOCK_SH)
        os.utime(file.fileno())
        self._shrink()
        return file

    def _fetch(self, path: Path, fetch: Callable[[], Iterable[bytes]], sha256: str) -> None:
        seen = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".new-", delete=False) as file:
            try:
                for chunk in fetch():
                    seen.update(chunk)
                    file.write(chunk)
                if sha256 and seen.hexdigest() != sha256:
                    raise ValueError(f"its sha256 is {seen.hexdigest()}, the catalog says {sha256}")
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def _shrink(self) -> None:
        kept = [(each.stat(), each) for each in self._folder.iterdir() if not each.name.startswith(".")]
        over = sum(stat.st_size for stat, _ in kept) - self._max_bytes
        for stat, path in sorted(kept, key=lambda each: each[0].st_mtime_ns):
            if over <= 0:
                return
            if _remove_unused(path):
                over -= stat.st_size


def _remove_unused(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
    except FileNotFoundError:  # another rank was quicker
        return True
    except BlockingIOError:
        return False
