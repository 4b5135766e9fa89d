"""What was sent, in the object store: pieces of bodies, and the deliveries that are whole.

    uploads/pieces/2026-11-27/ID/0000000000000000     bytes from this offset on
    uploads/begun/ID.json                             of a resumable upload: its size, name and sender
    uploads/ready/FILE.json                           a delivery: from here on it is acknowledged

A piece is written under its offset if nothing is there, and whoever writes the next has seen it end where
that begins. So of two who write at one offset, be it from two replicas, one wins and the other hears of it,
and the pieces of an upload are one chain without a lock. How far it has come is the sum of their sizes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import IO

from services.runtime import ObjectStore

_ROOT = "uploads"
_DAY = "%Y-%m-%d"


@dataclass(frozen=True)
class Begun:
    """A resumable upload. size: bytes in all. file: the delivery it becomes."""

    id: str
    file: str
    batch: str
    key: str
    name: str
    size: int
    day: str

    @property
    def pieces(self) -> str:
        """The prefix of its pieces."""
        return f"{_ROOT}/pieces/{self.day}/{self.id}"


@dataclass(frozen=True)
class Delivery:
    """A file that was sent, whole. file: its id; key: the name of the sender's key; pieces: their prefix.

    digest: of its bytes, where they came in one request.
    """

    file: str
    batch: str
    key: str
    name: str
    size: int
    pieces: str
    accepted_ms: int
    digest: str = ""

    @property
    def origin(self) -> str:
        """Its URI: begins the source of each of its documents."""
        return f"upload://{self.batch}/{self.file}"


def file_of(source: str) -> str:
    """Id of the delivery that a document's source is in."""
    return source.split("/")[3].partition("#")[0]


class Stored:
    """Each method may raise DependencyDown and ConfigurationError."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def new_pieces(self, id: str) -> str:
        """A prefix for the pieces of a body that comes in one request."""
        return f"{_ROOT}/pieces/{today()}/{id}"

    def append(self, pieces: str, offset: int, data: bytes) -> bool:
        """Write a piece; False: another was written at this offset."""
        return self._store.create(f"{pieces}/{offset:016d}", data)

    def size(self, pieces: str) -> int:
        """Bytes that are there."""
        return self._store.size(pieces)

    def discard(self, pieces: str) -> None:
        """Remove pieces that nothing will come of, or that are published."""
        self._store.delete(list(self._store.list(pieces)))

    def begin(self, begun: Begun) -> None:
        """Note a resumable upload."""
        self._store.put(f"{_ROOT}/begun/{begun.id}.json", json.dumps(asdict(begun)).encode())

    def begun(self, id: str) -> Begun:
        """Raises FileNotFoundError."""
        return Begun(**json.loads(self._store.get(f"{_ROOT}/begun/{id}.json")))

    def forget(self, begun: Begun) -> None:
        """Give a resumable upload up."""
        self._store.delete([f"{_ROOT}/begun/{begun.id}.json"])
        self.discard(begun.pieces)

    def accept(self, delivery: Delivery) -> Delivery:
        """From here on it will be published; the one that was accepted before under this id, if one was."""
        key = _ready(delivery.file)
        if self._store.create(key, json.dumps(asdict(delivery)).encode()):
            return delivery
        return self.delivery(delivery.file)

    def ready(self) -> Iterator[str]:
        """Ids of deliveries that are not published yet, in the order of their names."""
        return (key.rpartition("/")[2].removesuffix(".json") for key in self._store.list(f"{_ROOT}/ready"))

    def delivery(self, file: str) -> Delivery:
        """Raises FileNotFoundError: it was published and removed, or never accepted."""
        return Delivery(**json.loads(self._store.get(_ready(file))))

    def copy(self, delivery: Delivery, into: IO[bytes]) -> bool:
        """Its bytes, in order. False: some are not there, so that all of it was published before."""
        if self.size(delivery.pieces) != delivery.size:
            return False
        for key in sorted(self._store.list(delivery.pieces)):
            into.write(self._store.get(key))
        return True

    def done(self, delivery: Delivery) -> None:
        """It is published. First what would have it read again, then its bytes."""
        self._store.delete([_ready(delivery.file)])
        self.discard(delivery.pieces)

    def sweep(self, keep_days: int) -> int:
        """Remove what was begun so many days ago and never became whole; how many objects that were.

        Its pieces go a day later than its beginning: by then nobody can have it accepted meanwhile.
        """
        oldest, oldest_piece = (
            (datetime.now(UTC) - timedelta(days=days)).strftime(_DAY) for days in (keep_days, keep_days + 1)
        )
        stale = []
        for key in list(self._store.list(f"{_ROOT}/begun")):
            with suppress(FileNotFoundError):  # whole or given up meanwhile
                if self.begun(key.rpartition("/")[2].removesuffix(".json")).day < oldest:
                    stale.append(key)
        pieces = [key for key in self._store.list(f"{_ROOT}/pieces") if key.split("/")[2] < oldest_piece]
        kept = set()
        for file in list(self.ready()):
            with suppress(FileNotFoundError):  # published meanwhile
                kept.add(self.delivery(file).pieces)
        stale += [key for key in pieces if key.rpartition("/")[0] not in kept]
        self._store.delete(stale)
        return len(stale)


def today() -> str:
    """UTC."""
    return datetime.now(UTC).strftime(_DAY)


def now_ms() -> int:
    """Unix time."""
    return time.time_ns() // 1_000_000


def _ready(file: str) -> str:
    return f"{_ROOT}/ready/{file}.json"
