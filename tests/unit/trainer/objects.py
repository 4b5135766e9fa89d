"""A store in memory that can be away, for what only speaks to a store."""

from __future__ import annotations

import threading
from collections.abc import Iterator


class MemoryObjects:
    """As trainer.data.store.Store; away: every method raises."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.away: Exception | None = None
        self.unheard = 0  # so many of the next writes happen, and their answer is lost
        self.gets: list[str] = []
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        self._check()
        self.gets.append(key)
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key]

    def put(self, key: str, value: bytes) -> None:
        self._check()
        self.objects[key] = value
        self._answer()

    def create(self, key: str, value: bytes) -> bool:
        self._check()
        with self._lock:
            if key in self.objects:
                return False
            self.objects[key] = value
        self._answer()
        return True

    def list(self, prefix: str) -> Iterator[str]:
        self._check()
        return iter([key for key in sorted(self.objects, reverse=True) if key.startswith(prefix + "/")])

    def _check(self) -> None:
        if self.away is not None:
            raise self.away

    def _answer(self) -> None:
        if self.unheard:
            self.unheard -= 1
            raise OSError("the answer was lost")
