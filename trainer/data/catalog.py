"""The catalog: the one order of all parts, followed as objects of the store.

    catalog/000000000000.jsonl                 from number 0 on; its lines say how many
    catalog/000000000003.jsonl                 the next segment, begins where the one before ends
    catalog/000000000000-000000000255.jsonl    a block: the same lines once more, for who has to catch up

A segment that is there is final, and none goes over the edge of a block: so a number that has been read
stays, and any multiple of BLOCK is the name of a segment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from trainer.data.store import Store
from trainer.errors import DataError

BLOCK = 256  # numbers


class Entry(NamedTuple):
    """A part and its number, from 0. tokens: without padding. sha256: of its files by suffix."""

    number: int
    name: str
    phase: str
    recipe: str
    tokens: int
    sha256: Mapping[str, str]


class Catalog:
    """Gives the entries from a number on, each once, without gap."""

    def __init__(self, store: Store, first: int = 0) -> None:
        """To find the segment that has `first` takes BLOCK requests at the most."""
        self._store = store
        self._next = first
        self._segment = first - first % BLOCK

    def poll(self) -> list[Entry]:
        """What has come since, up to a block; empty for nothing, which takes one request (two at an edge).

        Raises DataError for a damaged segment, StoreDown.
        """
        while found := self._load(self._segment):
            self._segment = found[-1].number + 1
            new = [entry for entry in found if entry.number >= self._next]
            if new:
                self._next = self._segment
                return new
        return []

    def _load(self, first: int) -> list[Entry]:
        segment = f"catalog/{first:012d}.jsonl"
        block = f"catalog/{first:012d}-{first + BLOCK - 1:012d}.jsonl"
        for key in [block] * (first % BLOCK == 0) + [segment]:
            try:
                data = self._store.get(key)
            except FileNotFoundError:
                continue
            return _parsed(data, key, first)
        return []


def _parsed(data: bytes, key: str, first: int) -> list[Entry]:
    try:
        found = [_entry(json.loads(line)) for line in data.splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{key} is damaged ({error!r}): put a copy of it back") from error
    if not found or [entry.number for entry in found] != list(range(first, first + len(found))):
        raise DataError(f"{key} is damaged (its numbers do not follow): put a copy of it back")
    return found


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(
        int(line["sequence"]),
        str(line["name"]),
        str(line["phase"]),
        str(line["recipe"]),
        int(line["tokens"]),
        dict(line["sha256"]),
    )
