"""The index in Redis or Valkey, shared by all replicas: some 290 bytes a document, and 165 of its sketches.

Six tables (documents, exact texts, bands, rare keys, pages, clusters) in each shard, see index.lua. A step is
one pipeline for each server with one script call for each shard and chunk; a chunk keeps the server busy for
at most some 10 ms, so that other clients are not held up. Each call names the generation of the index, so
that a server which was emptied is noticed and not filled again.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from services.dedup import entry as entries
from services.dedup import page as pages
from services.dedup.config import DedupConfig
from services.dedup.entry import Entry, Order
from services.dedup.index import Death, Growth, Joined, Seat, Table
from services.dedup.met import FOUNDERS, Met, Others
from services.dedup.odd_sketch import OddSketch
from services.dedup.page import Page
from services.dedup.recent import Recent
from services.dedup.shingles import Words
from services.runtime import state

if TYPE_CHECKING:
    import redis

_CHUNK = 1000  # records in one call: some 5 ms of the server's time
_CACHE = 50_000  # entries, deaths and parents, remembered by this process; they never change
_PAGES = 16_000  # likewise: the best of a crowd and its founders are met again and again
_ORDER = struct.Struct(">fIQ")  # positive floats sort as their bits do
_NUMBER = struct.Struct("<I")
_UID = struct.Struct("<Q")
_BIG = struct.Struct(">Q")  # a uid as in an order
_DEATH = struct.Struct("<Q?")
_LINKED = struct.Struct("<QQ")  # uid, parent
_COUNTED = struct.Struct("<QQI")  # uid, cluster, number
_FOUND = struct.Struct("<III")  # number, how many came later, length
_LINK = np.dtype([("number", "<u4"), ("order", f"V{_ORDER.size}"), ("key", "u1", pages.KEY_BYTES)])


class Call(NamedTuple):
    """One call of the script. records: packed; numbers: which of those that were given."""

    shard: int
    operation: str
    records: bytes
    numbers: Sequence[int] = ()


class Gone(NamedTuple):
    """What the index has of a document that is to leave it. bands, rare, exact: its keys."""

    uid: int
    exact: int
    bands: Sequence[int]
    rare: Sequence[int]


class RedisIndex:
    """Connects on first use. Raises DependencyDown, ConfigurationError when the index has forgotten.

    generation: asked at each call for that of the index, see Marks.
    """

    def __init__(self, server: state.Server, config: DedupConfig, generation: Callable[[], bytes]) -> None:
        self._server = server
        self._config = config
        self._generation = generation
        self._sha = ""
        self._source = Path(__file__).with_name("index.lua").read_text()
        self._entries: Recent[bytes] = Recent(_CACHE)
        self._pages: Recent[bytes] = Recent(_PAGES)
        self._deaths: Recent[Death] = Recent(_CACHE)
        self._parents: Recent[int] = Recent(_CACHE)
        server.when_opened(self._examine)

    def put(self, entries_: Sequence[Entry]) -> list[Entry | None]:
        """As Index."""
        known: list[Entry | None] = [None] * len(entries_)
        packed = [entry.pack() for entry in entries_]
        records = [_UID.pack(entry.uid) + each for entry, each in zip(entries_, packed, strict=True)]
        size = _NUMBER.size + entries.SIZE
        for numbers, answer in self._call("put", "documents", [e.uid for e in entries_], records):
            for at in range(0, len(answer), size):
                number = numbers[_NUMBER.unpack_from(answer, at)[0]]
                known[number] = Entry.unpack(entries_[number].uid, answer[at + _NUMBER.size : at + size])
        for entry, old, each in zip(entries_, known, packed, strict=True):
            self._entries.put(entry.uid, old.pack() if old else each)
        return known

    def hold(self, keys: Sequence[int], orders: Sequence[Order]) -> list[Order]:
        """As Index."""
        best = list(orders)
        records = [_UID.pack(key) + _ORDER.pack(*order) for key, order in zip(keys, orders, strict=True)]
        size = _NUMBER.size + _ORDER.size
        for numbers, answer in self._call("hold", "exact", keys, records):
            for at in range(0, len(answer), size):
                rank, seniority, uid = _ORDER.unpack_from(answer, at + _NUMBER.size)
                best[numbers[_NUMBER.unpack_from(answer, at)[0]]] = (rank, seniority, uid)
        return best

    def link(self, orders: Sequence[Order], keys: Words, table: Table = "bands") -> list[Met]:
        """As Index."""
        return self._met("link", orders, keys, table)

    def meet(self, orders: Sequence[Order], keys: Words) -> list[Met]:
        """As Index."""
        return self._met("meet", orders, keys, "bands")

    def _met(self, operation: str, orders: Sequence[Order], keys: Words, table: Table) -> list[Met]:
        found: list[list[Others]] = [[] for _ in orders]
        flat = _links(orders, keys)
        shard = (_high_bits(flat["key"]) * np.uint64(self._config.shards)) >> np.uint64(32)
        calls = [
            Call(index, operation, part[at : at + _CHUNK].tobytes())
            for index in range(self._config.shards)
            for part in [flat[shard == index]]
            for at in range(0, len(part), _CHUNK)
        ]
        for answer in self.run(table, calls):
            at = 0
            while at < len(answer):
                number, later, length = _FOUND.unpack_from(answer, at)
                at += _FOUND.size + length
                others = _others(orders[number][2], later, answer[at - length : at])
                if others.kept:
                    found[number].append(others)
        return [Met(others) for others in found]

    def fetch(self, uids: Collection[int]) -> dict[int, bytes]:
        """As Index."""
        found, missing = self._entries.recall(uids)
        for uid, value in self._look_up("entries", "documents", missing, entries.SIZE):
            found[uid] = value
            self._entries.put(uid, value)
        return found

    def open_pages(self, pages_: Mapping[int, Page]) -> dict[int, Page]:
        """As Index."""
        standing = dict(pages_)
        records = [_UID.pack(uid) + page.pack() for uid, page in pages_.items()]
        size = _UID.size + pages.SIZE
        head = f"{pages.SIZE:04d}".encode()
        for _, answer in self._call("page", "pages", list(pages_), records, head):
            for at in range(0, len(answer), size):
                standing[_UID.unpack_from(answer, at)[0]] = Page.unpack(answer[at + _UID.size : at + size])
        for uid, page in standing.items():
            self._pages.put(uid, page.pack())
        return standing

    def fetch_sketches(self, uids: Collection[int]) -> dict[int, OddSketch]:
        """As Index."""
        found, missing = self._pages.recall(uids)
        for uid, value in self._look_up("pages", "pages", missing, pages.SIZE):
            found[uid] = value
            self._pages.put(uid, value)
        return {uid: OddSketch.unpack(value) for uid, value in found.items()}

    def bury(self, deaths: Sequence[tuple[int, Death]]) -> list[Death]:
        """As Index."""
        standing = [self._deaths.get(uid) for uid, _ in deaths]
        asked = [number for number, death in enumerate(standing) if death is None]
        uids = [deaths[number][0] for number in asked]
        records = [_UID.pack(deaths[number][0]) + _DEATH.pack(*deaths[number][1]) for number in asked]
        for numbers, answer in self._call("bury", "documents", uids, records):
            for number, death in zip(numbers, _DEATH.iter_unpack(answer), strict=True):
                standing[asked[number]] = Death(*death)
                self._deaths.put(uids[number], Death(*death))
        return [death for death in standing if death is not None]

    def deaths(self, uids: Collection[int]) -> dict[int, Death]:
        """As Index."""
        found, missing = self._deaths.recall(uids)
        for uid, value in self._look_up("deaths", "documents", missing, _DEATH.size):
            found[uid] = Death(*_DEATH.unpack(value))
            self._deaths.put(uid, found[uid])
        return found

    def join(self, links: Sequence[tuple[int, int]]) -> list[Joined]:
        """As Index."""
        standing = [Joined(parent, new=False) for _, parent in links]
        uids = [uid for uid, _ in links]
        for numbers, answer in self._call("join", "clusters", uids, [_LINKED.pack(*link) for link in links]):
            for at, joined in zip(numbers, _DEATH.iter_unpack(answer), strict=True):
                standing[at] = Joined(*joined)
                self._parents.put(uids[at], standing[at].parent)
        return standing

    def parents(self, uids: Collection[int]) -> dict[int, int]:
        """As Index."""
        found, missing = self._parents.recall(uids)
        for uid, value in self._look_up("fetch", "clusters", missing, _UID.size):
            (found[uid],) = _UID.unpack(value)
            self._parents.put(uid, found[uid])
        return found

    def number(self, members: Sequence[tuple[int, Seat]]) -> list[int]:
        """As Index. A number lies in the shard of its cluster."""
        given = [0] * len(members)
        clusters = [seat.cluster for _, seat in members]
        records = [_COUNTED.pack(uid, *seat) for uid, seat in members]
        for numbers, answer in self._call("number", "clusters", clusters, records):
            for at, (number,) in zip(numbers, _NUMBER.iter_unpack(answer), strict=True):
                given[at] = number
        return given

    def counts(self, clusters: Collection[int]) -> dict[int, int]:
        """As Index."""
        found = self._look_up("count", "clusters", list(clusters), _NUMBER.size)
        return {cluster: _NUMBER.unpack(value)[0] for cluster, value in found}

    def add(self, growths: Sequence[Growth]) -> list[int]:
        """As Index."""
        counts = [0] * len(growths)
        records = [_COUNTED.pack(*growth) for growth in growths]
        clusters = [growth.cluster for growth in growths]
        for numbers, answer in self._call("add", "clusters", clusters, records):
            for at, (count,) in zip(numbers, _NUMBER.iter_unpack(answer), strict=True):
                counts[at] = count
        return counts

    def raise_counts(self, counts: Sequence[tuple[int, int]]) -> None:
        """As Index."""
        records = [_COUNTED.pack(cluster, 1, number) for cluster, number in counts]
        deque(self._call("raise", "clusters", [cluster for cluster, _ in counts], records), maxlen=0)

    def remove(self, gone: Sequence[Gone]) -> None:
        """Take documents out, their places in clusters excepted. May be repeated; the entry goes last."""
        for table in ("bands", "rare"):
            pairs = [
                (key, _BIG.pack(each.uid) + key.to_bytes(8, "little")[: pages.KEY_BYTES])
                for each in gone
                for key in (each.bands if table == "bands" else each.rare)
            ]
            # by the high bits of what is stored of a key, as in _met
            keys = [(key >> 16) << 32 for key, _ in pairs]
            self._do("unlink", table, keys, [record for _, record in pairs])
        exact = [each.exact for each in gone]
        self._do("release", "exact", exact, [_UID.pack(each.exact) + _BIG.pack(each.uid) for each in gone])
        uids = [each.uid for each in gone]
        for operation, table in (("close", "pages"), ("forget", "documents")):
            self._do(operation, table, uids, [_UID.pack(uid) for uid in uids])

    def _do(self, operation: str, table: str, keys: Sequence[int], records: Sequence[bytes]) -> None:
        self.run(table, self._calls(operation, keys, records))

    def close(self) -> None:
        """As Index."""
        self._server.close()

    def _look_up(
        self, operation: str, table: str, uids: Sequence[int], size: int
    ) -> Iterator[tuple[int, bytes]]:
        """(uid, value of that size) of those that are there."""
        for _, answer in self._call(operation, table, uids, [_UID.pack(uid) for uid in uids]):
            for at in range(0, len(answer), _UID.size + size):
                yield _UID.unpack_from(answer, at)[0], answer[at + _UID.size : at + _UID.size + size]

    def _call(
        self, operation: str, table: str, keys: Sequence[int], records: Sequence[bytes], head: bytes = b""
    ) -> Iterator[tuple[Sequence[int], bytes]]:
        """Run an operation over records, each in the shard of its key; (their numbers, the answer)."""
        calls = self._calls(operation, keys, records, head)
        return zip([call.numbers for call in calls], self.run(table, calls), strict=True)

    def _calls(
        self, operation: str, keys: Sequence[int], records: Sequence[bytes], head: bytes = b""
    ) -> list[Call]:
        shards: list[list[int]] = [[] for _ in range(self._config.shards)]
        for number, word in enumerate(keys):
            # by the high bits, since the low ones choose the hash within a table
            shards[(word >> 32) * self._config.shards >> 32].append(number)
        return [
            Call(index, operation, head + b"".join(records[number] for number in chunk), chunk)
            for index, numbers in enumerate(shards)
            for at in range(0, len(numbers), _CHUNK)
            for chunk in [numbers[at : at + _CHUNK]]
        ]

    def run(self, table: str, calls: Sequence[Call]) -> list[bytes]:
        """The answers to calls of the script. A server that lost its scripts gets them again."""
        import redis

        if not calls:
            return []
        with self._server.connected() as shards:
            try:
                return self._pipelines(shards, table, calls)
            except redis.exceptions.NoScriptError:
                self._load(shards)
                return self._pipelines(shards, table, calls)
            except redis.exceptions.ResponseError as error:
                if "GENERATION" in str(error):
                    raise state.gone(self._config) from error
                raise

    def _pipelines(self, shards: Sequence[redis.Redis], table: str, calls: Sequence[Call]) -> list[bytes]:
        """One for each server."""
        answers: dict[int, bytes] = {}
        for connection in _servers(shards):
            numbers = [number for number, call in enumerate(calls) if shards[call.shard] is connection]
            pipeline = connection.pipeline(transaction=False)
            for number in numbers:
                shard, operation, records, _ = calls[number]
                names = [state.key(self._config, shard, name) for name in (table, "generation")]
                pipeline.evalsha(self._sha, 2, *names, operation, records, self._generation())
            answers |= zip(numbers, pipeline.execute(), strict=True)
        return [answers[number] for number in range(len(calls))]

    def _examine(self, shards: Sequence[redis.Redis]) -> None:
        """Each new connection: the server may have come back without what was written last."""
        self._entries.clear()
        self._pages.clear()
        self._deaths.clear()
        self._parents.clear()
        self._load(shards)

    def _load(self, shards: Sequence[redis.Redis]) -> None:
        for connection in _servers(shards):
            self._sha = str(connection.script_load(self._source))


def _servers(shards: Sequence[redis.Redis]) -> list[redis.Redis]:
    return list({id(connection): connection for connection in shards}.values())


def _links(orders: Sequence[Order], keys: Words) -> npt.NDArray[np.void]:
    """A record for each key that is none of 0."""
    links = np.empty(keys.shape, _LINK)
    links["number"] = np.arange(len(orders))[:, None]
    links["order"] = np.frombuffer(b"".join(_ORDER.pack(*order) for order in orders), links.dtype["order"])[
        :, None
    ]
    words = np.ascontiguousarray(keys, "<u8").view(np.uint8).reshape(*keys.shape, 8)
    links["key"] = words[..., : pages.KEY_BYTES]
    return links[keys > 0]


def _high_bits(keys: npt.NDArray[np.uint8]) -> Words:
    """The upper 32 bits of keys."""
    return np.ascontiguousarray(keys[:, -4:]).view("<u4").reshape(-1).astype(np.uint64)


def _others(uid: int, later: int, members: bytes) -> Others:
    """Of one key: how many came later, and the uids of the founders, then the best orders of later ones."""
    kept = list(_members(len(members)).unpack(members))
    away = max(later - (len(kept) - FOUNDERS), 0) if later else 0
    if uid in kept:
        kept.remove(uid)
    return Others(kept, away)


@cache
def _members(length: int) -> struct.Struct:
    founders = min(length // _UID.size, FOUNDERS)
    best = (length - founders * _UID.size) // _ORDER.size
    return struct.Struct(f">{founders}Q" + "8xQ" * best)
