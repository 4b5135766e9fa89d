"""What Redis remembers of batches, files and documents for some days, all under one hash tag.

Nothing that was acknowledged depends on it: with an empty Redis, deliveries are found again in the store, and
what is asked after is not known any more. About 400 bytes a document, its source included, until the keep is
over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import redis

from services.ingest.upload.stored import Delivery
from services.runtime import DependencyDown, Resources

BASE = "{upload}:"
UNDER_WAY, KEPT, IN_PART, DROPPED, DEAD = "under_way", "kept", "in_part", "dropped", "dead"
UNREADABLE, SKIPPED = "unreadable", "skipped"
STATES = (UNDER_WAY, KEPT, IN_PART, DROPPED, DEAD, UNREADABLE, SKIPPED)

_SCRIPT = Path(__file__).with_name("states.lua").read_text()
_SLICE = 500  # documents a call of the script: some milliseconds, in which Redis does nothing else
_LEASE_S = 30
_T = TypeVar("_T")


class Item(NamedTuple):
    """A document, or a piece that became none. source: its URI; detail: for a person."""

    uid: str
    state: str
    source: str
    unit: str = ""
    reason: str = ""
    detail: str = ""


class Move(NamedTuple):
    """What became of a document."""

    uid: str
    state: str
    unit: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Taken:
    """How far a delivery was read. members: done; current: IngestProgress of the one at hand, serialised."""

    members: int = 0
    current: bytes = b""


class States:
    """May be used from any thread. Each method raises DependencyDown while Redis is away."""

    def __init__(self, resources: Resources, keep_days: int) -> None:
        self._resources = resources
        self._keep_s = keep_days * 86_400
        self._client: Any = None

    # Batches and files.

    def owner(self, batch: str) -> str | None:
        """Name of the key that a batch belongs to; None: there is no such batch."""
        found = self._ask(lambda r: r.hget(f"{BASE}batch:{batch}", "key"))
        return found.decode() if found else None

    def open_batch(self, batch: str, key: str, created_ms: int) -> None:
        """A batch without files. Again changes nothing."""

        def note(r: Any) -> None:
            pipe = r.pipeline(transaction=True)
            pipe.hsetnx(f"{BASE}batch:{batch}", "key", key)
            pipe.hsetnx(f"{BASE}batch:{batch}", "created_ms", created_ms)
            pipe.expire(f"{BASE}batch:{batch}", self._keep_s)
            pipe.execute()

        self._ask(note)

    def received(self, delivery: Delivery) -> None:
        """Note a delivery that is in the store, and that it waits to be read. Again changes nothing."""
        batch, file = f"{BASE}batch:{delivery.batch}", f"{BASE}file:{delivery.file}"

        def note(r: Any) -> None:
            pipe = r.pipeline(transaction=True)
            pipe.hsetnx(batch, "key", delivery.key)
            pipe.hsetnx(batch, "created_ms", delivery.accepted_ms)
            for name in ("batch", "key", "name", "size", "digest"):
                pipe.hsetnx(file, name, getattr(delivery, name))
            pipe.zadd(f"{BASE}files:{delivery.batch}", {delivery.file: delivery.accepted_ms}, nx=True)
            for key in (batch, file, f"{BASE}files:{delivery.batch}"):
                pipe.expire(key, self._keep_s)
            pipe.zadd(f"{BASE}ready", {delivery.file: delivery.accepted_ms}, nx=True)
            pipe.execute()

        self._ask(note)

    def file(self, file: str) -> Mapping[str, str]:
        """What is known of a delivery: batch, key, name, size, digest, maybe documents, taken, problem."""
        found = self._ask(lambda r: r.hgetall(f"{BASE}file:{file}"))
        return {
            name.decode(): value.decode("utf-8", "replace")
            for name, value in found.items()
            if name != b"current"
        }

    def batch(self, batch: str) -> dict[str, Any]:
        """Its files, its documents by state, and their reasons."""

        def ask(r: Any) -> list[Any]:
            pipe = r.pipeline(transaction=True)
            pipe.hgetall(f"{BASE}batch:{batch}")
            pipe.zcard(f"{BASE}files:{batch}")
            pipe.scard(f"{BASE}taken:{batch}")
            pipe.hgetall(f"{BASE}why:{batch}")
            pipe.hgetall(f"{BASE}problems:{batch}")
            for state in STATES:
                pipe.zcard(f"{BASE}in:{batch}:{state}")
            found: list[Any] = pipe.execute()
            return found

        known, files, taken, why, problems, *numbers = self._ask(ask)
        return {
            "created_ms": int(known[b"created_ms"]),
            "files": files,
            "files_read": taken,
            "documents": int(known.get(b"documents", 0)),
            "states": dict(zip(STATES, numbers, strict=True)),
            "reasons": [
                dict(zip(("state", "unit", "reason"), field.decode().split("|"), strict=True))
                | {"documents": int(n)}
                for field, n in sorted(why.items())
            ],
            "problems": {file.decode(): text.decode() for file, text in sorted(problems.items())},
        }

    def page(self, batch: str, state: str, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Documents of one state by their number, those after `after`; where the next page begins."""
        key = f"{BASE}in:{batch}:{state}"
        found = self._ask(
            lambda r: r.zrange(key, f"({after}", "+inf", byscore=True, offset=0, num=limit, withscores=True)
        )
        documents = self._documents([uid.decode() for uid, _ in found])
        following = int(found[-1][1]) if len(found) == limit else None
        return documents, following

    def document(self, uid: str) -> dict[str, Any] | None:
        """What became of one document, with its batch; None: not known, or no more."""
        found = self._documents([uid])
        return found[0] if found else None

    def _documents(self, uids: Sequence[str]) -> list[dict[str, Any]]:
        def ask(r: Any) -> list[dict[bytes, bytes]]:
            pipe = r.pipeline(transaction=False)
            for uid in uids:
                pipe.hgetall(f"{BASE}document:{uid}")
            found: list[dict[bytes, bytes]] = pipe.execute()
            return found

        shown = []
        for uid, found in zip(uids, self._ask(ask) if uids else (), strict=True):
            if found:
                said = {name.decode(): value.decode("utf-8", "replace") for name, value in found.items()}
                del said["number"]
                shown.append({"uid": uid, **{name: value for name, value in said.items() if value}})
        return shown

    # Documents.

    def register(self, batch: str, items: Iterable[Item]) -> None:
        """Before they are published. One that is known already stays as it is."""
        for some in _slices(items):
            told = [field for item in some for field in item]
            self._script("register", self._keep_s, batch, *told)

    def move(self, moves: Iterable[Move]) -> int:
        """To other states; how many went. Those of documents that nobody uploaded are passed over."""
        number = 0
        for some in _slices(moves):
            number += self._script("move", *(field for move in some for field in move))
        return number

    # Who reads what.

    def waiting(self) -> int:
        """Deliveries that are not read yet, those that are being read included."""
        found: int = self._ask(lambda r: r.zcard(f"{BASE}ready"))
        return found

    def take(self, token: str, most: int) -> list[str]:
        """The oldest deliveries that nobody reads, for as long as `hold` says so."""

        def take(r: Any) -> list[str]:
            taken: list[str] = []
            for start in range(0, r.zcard(f"{BASE}ready"), most):
                pipe = r.pipeline(transaction=False)
                files = [file.decode() for file in r.zrange(f"{BASE}ready", start, start + most - 1)]
                for file in files[: most - len(taken)]:
                    pipe.set(f"{BASE}lease:{file}", token, nx=True, ex=_LEASE_S)
                taken += [file for file, won in zip(files, pipe.execute(), strict=False) if won]
                if len(taken) >= most:
                    break
            return taken

        return self._ask(take)

    def hold(self, file: str, token: str) -> bool:
        """Still read it. False: it was away for so long that another took it."""

        def hold(r: Any) -> bool:
            key = f"{BASE}lease:{file}"
            return bool(r.set(key, token, nx=True, ex=_LEASE_S)) or (
                r.get(key) == token.encode() and bool(r.expire(key, _LEASE_S))
            )

        return self._ask(hold)

    def give_back(self, file: str, token: str) -> None:
        """Another may take it at once."""

        def give_back(r: Any) -> None:
            if r.get(f"{BASE}lease:{file}") == token.encode():
                r.delete(f"{BASE}lease:{file}")

        self._ask(give_back)

    def taken(self, file: str) -> Taken:
        """How far it has been read."""
        members, current = self._ask(lambda r: r.hmget(f"{BASE}file:{file}", "members", "current"))
        return Taken(int(members or 0), current or b"")

    def came(self, file: str, taken: Taken) -> None:
        """So far it is published."""
        told = {"members": taken.members, "current": taken.current}
        self._ask(lambda r: r.hset(f"{BASE}file:{file}", mapping=told))

    def finished(self, delivery: Delivery, problem: str = "") -> None:
        """All of it is published, or no more of it can be read."""

        def finish(r: Any) -> None:
            pipe = r.pipeline(transaction=True)
            pipe.hset(f"{BASE}file:{delivery.file}", mapping={"taken": 1, "current": b"", "problem": problem})
            pipe.sadd(f"{BASE}taken:{delivery.batch}", delivery.file)
            if problem:
                pipe.hset(f"{BASE}problems:{delivery.batch}", delivery.file, problem[:2000])
            for kind in ("taken", "problems"):
                pipe.expire(f"{BASE}{kind}:{delivery.batch}", self._keep_s)
            pipe.zrem(f"{BASE}ready", delivery.file)
            pipe.delete(f"{BASE}lease:{delivery.file}")
            pipe.execute()

        self._ask(finish)

    def unknown(self, file: str) -> None:
        """It waits no more: the store does not have it."""
        self._ask(lambda r: r.zrem(f"{BASE}ready", file))

    def failed(self, file: str) -> int:
        """Times that reading it has failed without a reason in the file itself."""
        found: int = self._ask(lambda r: r.hincrby(f"{BASE}file:{file}", "tries", 1))
        return found

    # Where the follower stands.

    def lead(self, name: str, token: str, seconds: int) -> bool:
        """Whether this is the one that does `name` for so many seconds from now."""

        def lead(r: Any) -> bool:
            key = f"{BASE}leads:{name}"
            return bool(r.set(key, token, nx=True, ex=seconds)) or (
                r.get(key) == token.encode() and bool(r.expire(key, seconds))
            )

        return self._ask(lead)

    def places(self) -> dict[tuple[str, int], int]:
        """By topic and partition: the offset from which on it has not been heard."""
        found = self._ask(lambda r: r.hgetall(f"{BASE}places"))
        named = {tuple(place.decode().rsplit("/", 1)): int(offset) for place, offset in found.items()}
        return {(topic, int(partition)): offset for (topic, partition), offset in named.items()}

    def begin_at(self, places: Mapping[tuple[str, int], int]) -> None:
        """Where nothing has been heard yet, listen from here on."""

        def begin(r: Any) -> None:
            pipe = r.pipeline(transaction=False)
            for (topic, partition), offset in places.items():
                pipe.hsetnx(f"{BASE}places", f"{topic}/{partition}", offset)
            pipe.execute()

        self._ask(begin)

    def heard(self, places: Mapping[tuple[str, int], int]) -> None:
        """All before these offsets was heard."""
        told = {f"{topic}/{partition}": offset for (topic, partition), offset in places.items()}
        if told:
            self._ask(lambda r: r.hset(f"{BASE}places", mapping=told))

    # Quotas.

    def spend(self, key: str, day: str, num_bytes: int, documents: int) -> tuple[int, int]:
        """Add to what a key has sent on a day; bytes and documents since its beginning."""

        def spend(r: Any) -> tuple[int, int]:
            name = f"{BASE}spent:{key}:{day}"
            pipe = r.pipeline(transaction=True)
            pipe.hincrby(name, "bytes", num_bytes)
            pipe.hincrby(name, "documents", documents)
            pipe.expire(name, 2 * 86_400)
            found = pipe.execute()
            return int(found[0]), int(found[1])

        return self._ask(spend)

    def _script(self, *arguments: Any) -> int:
        return int(self._ask(lambda r: r.eval(_SCRIPT, 1, BASE, *arguments)))

    def _ask(self, ask: Callable[[Any], _T]) -> _T:
        try:
            if self._client is None:
                self._client = _connection(self._resources)
            return ask(self._client)
        except redis.RedisError as error:
            self._client = None  # of a cluster another node may hold the keys now
            raise DependencyDown("Redis", error) from error


def _slices(rows: Iterable[_T]) -> Iterator[list[_T]]:
    waiting = iter(rows)
    while some := list(islice(waiting, _SLICE)):
        yield some


def _connection(resources: Resources) -> Any:
    client = resources.redis
    return client.connections([BASE])[0] if hasattr(client, "connections") else client
