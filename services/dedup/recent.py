"""What a process has met lately, of values that never change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """By uid, from `most / 2` to `most` of those that were put or asked for last.

    In two halves, of which the older goes as a whole when the younger is full: what is asked for again and
    again, the best of a crowd, moves on and stays.
    """

    def __init__(self, most: int) -> None:
        self._half = max(most // 2, 1)
        self._young: dict[int, _T] = {}
        self._old: dict[int, _T] = {}

    def put(self, uid: int, value: _T) -> None:
        """Remember it."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[uid] = value

    def get(self, uid: int) -> _T | None:
        """None where it is not known, or no longer."""
        value = self._young.get(uid)
        if value is None and (value := self._old.get(uid)) is not None:
            self.put(uid, value)
        return value

    def recall(self, uids: Collection[int]) -> tuple[dict[int, _T], list[int]]:
        """Those that are known, and those that must be asked for."""
        found: dict[int, _T] = {}
        missing = []
        for uid in uids:
            value = self.get(uid)
            if value is None:
                missing.append(uid)
            else:
                found[uid] = value
        return found, missing

    def clear(self) -> None:
        """Forget all."""
        self._young, self._old = {}, {}
