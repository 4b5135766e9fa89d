"""Objects written into a folder, where obstore reads, lists, moves and removes them.

A write is staged beside its place, as `name#1`, synced and then given its name, and its folder is synced: so
it is whole or not there, and outlives a power cut. obstore stages under the same names, which it never lists,
but syncs nothing, and hands each write to another thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping


class Folder:
    """Each method may raise OSError, and ValueError for a key that is no path within the folder."""

    def __init__(self, path: str) -> None:
        self._path = path

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Write them in this order, each in place of what has its name."""
        for key, value in objects.items():
            _write(self._at(key), value, os.replace)
        self.settle(objects)

    def create(self, key: str, value: bytes) -> bool:
        """Write it if there is none of its name; whether it did."""
        path = self._at(key)
        if os.path.lexists(path):
            return False
        try:
            _write(path, value, _name)
        except FileExistsError:
            return False
        self.settle([key])
        return True

    def settle(self, keys: Iterable[str]) -> None:
        """Make it last that these names were given."""
        for folder in dict.fromkeys(os.path.dirname(self._at(key)) for key in keys):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _at(self, key: str) -> str:
        if not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise ValueError(f"{key!r} is no path of an object")
        return f"{self._path}/{key}"


def _write(path: str, value: bytes, name: Callable[[str, str], object]) -> None:
    """Stage it, and let `name` put it in its place; nothing is left behind where something is wrong."""
    staged, file = _stage(path)
    try:
        try:
            left = memoryview(value)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)
        name(staged, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(staged)
        raise


def _stage(path: str) -> tuple[str, int]:
    """A new file beside a path, and its descriptor."""
    number = 1
    while True:
        staged = f"{path}#{number}"
        try:
            return staged, os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:  # another writer's, or left by one that was killed
            number += 1
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)


def _name(staged: str, path: str) -> None:
    """Raises FileExistsError."""
    os.link(staged, path)
    os.unlink(staged)
