"""The index in Redis or Valkey, shared by all replicas: some 230 bytes a document, and 165 of its sketches.

Six tables (documents, exact texts, bands, rare keys, pages, clusters) in each shard, see index.lua and
bands.lua; scripts.py has how they are called.

A document is numbered when it is put: in its shard by 32 bits, and over all of them by 39, which are what the
bands hold. Whoever is met there is asked for by the number, and its entry comes with its uid.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from services.dedup.scripts import CHUNK, Call, Scripts, chunks
from services.dedup.shingles import Words
from services.runtime import state

if TYPE_CHECKING:
    import redis

_CACHE = 50_000  # entries, deaths and parents, remembered by this process; they never change
_PAGES = 16_000  # likewise: the best of a crowd and its founders are met again and again
_ORDER = struct.Struct(">fIQ")  # positive floats sort as their bits do
_NUMBER = struct.Struct("<I")
_UID = struct.Struct("<Q")
_BIG = struct.Struct(">Q")  # a uid as in an order
_SEAT = _UID.size + entries.SIZE  # of a document in the index: its uid and its entry
_DEATH = struct.Struct("<Q?")
_LINKED = struct.Struct("<QQ")  # uid, parent
_COUNTED = struct.Struct("<QQI")  # uid, cluster, number
_WIDE = 5  # bytes of a number over all shards, which is that in a shard x shards + shard
_FOUND = np.dtype([("link", "<u4"), ("later", "<u4"), ("kept", "<u4")])
_LINK = np.dtype(
    [("link", "<u4"), ("key", "u1", pages.KEY_BYTES), ("number", "u1", _WIDE), ("order", f"V{_ORDER.size}")]
)


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
        self.scripts = Scripts(server, config, generation)
        self._entries: Recent[bytes] = Recent(_CACHE)
        self._numbers: Recent[int] = Recent(_CACHE)  # by uid, over all shards
        self._uids: Recent[int] = Recent(_CACHE)  # by number
        self._pages: Recent[bytes] = Recent(_PAGES)
        self._deaths: Recent[Death] = Recent(_CACHE)
        self._parents: Recent[int] = Recent(_CACHE)
        server.when_opened(self._forget)

    def put(self, entries_: Sequence[Entry]) -> list[Entry | None]:
        """As Index."""
        known: list[Entry | None] = [None] * len(entries_)
        packed = [entry.pack() for entry in entries_]
        records = [_UID.pack(entry.uid) + each for entry, each in zip(entries_, packed, strict=True)]
        for which, answer in self.scripts.ask("put", "documents", [e.uid for e in entries_], records):
            numbered = len(which) * _NUMBER.size
            for at, (number,) in zip(which, _NUMBER.iter_unpack(answer[:numbered]), strict=True):
                self._number(entries_[at].uid, number)
            for start in range(numbered, len(answer), _NUMBER.size + entries.SIZE):
                at = which[_NUMBER.unpack_from(answer, start)[0]]
                packed[at] = answer[start + _NUMBER.size : start + _NUMBER.size + entries.SIZE]
                known[at] = Entry.unpack(entries_[at].uid, packed[at])
        for entry, each in zip(entries_, packed, strict=True):
            self._entries.put(entry.uid, each)
        return known

    def _number(self, uid: int, number: int) -> int:
        """Remember that of its shard; that over all."""
        wide = number * self._config.shards + self.scripts.shard(uid)
        self._numbers.put(uid, wide)
        self._uids.put(wide, uid)
        return wide

    def _numbered(self, uids: Collection[int]) -> dict[int, int]:
        """The numbers of these documents, as far as they are there."""
        found, missing = self._numbers.recall(uids)
        for uid, value in self._look_up("numbers", "documents", missing, _NUMBER.size):
            found[uid] = self._number(uid, *_NUMBER.unpack(value))
        return found

    def _named(self, numbers: Words) -> list[int]:
        """The uids of documents by their numbers, (n,), 0 for none. Their entries are then known as well."""
        found, missing = self._uids.recall(np.unique(numbers).tolist())
        shards: list[list[int]] = [[] for _ in range(self._config.shards)]
        for number in missing:
            shards[number % self._config.shards].append(number)
        calls = [
            Call(shard, "seats", b"".join(_NUMBER.pack(each // self._config.shards) for each in chunk), chunk)
            for shard, own in enumerate(shards)
            for chunk in chunks(own)
        ]
        for call, answer in zip(calls, self.scripts.run("documents", calls), strict=True):
            for number, start in zip(call.numbers, range(0, len(answer), _SEAT), strict=True):
                (uid,) = _UID.unpack_from(answer, start)
                if uid:
                    found[number] = uid
                    self._uids.put(number, uid)
                    self._entries.put(uid, answer[start + _UID.size : start + _SEAT])
        return [found.get(number, 0) for number in numbers.tolist()]

    def hold(self, keys: Sequence[int], orders: Sequence[Order]) -> list[Order]:
        """As Index."""
        best = list(orders)
        records = [_UID.pack(key) + _ORDER.pack(*order) for key, order in zip(keys, orders, strict=True)]
        size = _NUMBER.size + _ORDER.size
        for numbers, answer in self.scripts.ask("hold", "exact", keys, records):
            for at in range(0, len(answer), size):
                rank, seniority, uid = _ORDER.unpack_from(answer, at + _NUMBER.size)
                best[numbers[_NUMBER.unpack_from(answer, at)[0]]] = (rank, seniority, uid)
        return best

    def link(self, orders: Sequence[Order], keys: Words, table: Table = "bands") -> list[Met]:
        """As Index."""
        numbered = self._numbered([uid for _, _, uid in orders])
        return self._met("link", orders, [numbered[uid] for _, _, uid in orders], keys, table)

    def meet(self, orders: Sequence[Order], keys: Words) -> list[Met]:
        """As Index."""
        return self._met("meet", orders, [0] * len(orders), keys, "bands")

    def _met(
        self, operation: str, orders: Sequence[Order], numbers: Sequence[int], keys: Words, table: Table
    ) -> list[Met]:
        flat = _links(orders, numbers, keys)
        shard = (_high_bits(flat["key"]) * np.uint64(self._config.shards)) >> np.uint64(32)
        calls = [
            Call(index, operation, part[at : at + CHUNK].tobytes())
            for index in range(self._config.shards)
            for part in [flat[shard == index]]
            for at in range(0, len(part), CHUNK)
        ]
        heads, kept = _answered(self.scripts.run(table, calls))
        uids = self._named(kept)
        found: list[list[Others]] = [[] for _ in orders]
        at = 0
        for link, later, length in heads.tolist():
            which, key = divmod(link, keys.shape[1])
            own, there = orders[which][2], uids[at : at + length]
            others = [uid for uid in there if uid and uid != own]
            at += length
            if others:
                away = max(later - (length - FOUNDERS), 0) if later else 0
                late = length >= FOUNDERS and own not in there[:FOUNDERS]
                found[which].append(Others(others, away, int(keys[which, key]) if late else 0))
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
        for _, answer in self.scripts.ask("page", "pages", list(pages_), records, head):
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
        for numbers, answer in self.scripts.ask("bury", "documents", uids, records):
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
        records = [_LINKED.pack(*link) for link in links]
        for numbers, answer in self.scripts.ask("join", "clusters", uids, records):
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
        for numbers, answer in self.scripts.ask("number", "clusters", clusters, records):
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
        for numbers, answer in self.scripts.ask("add", "clusters", clusters, records):
            for at, (count,) in zip(numbers, _NUMBER.iter_unpack(answer), strict=True):
                counts[at] = count
        return counts

    def raise_counts(self, counts: Sequence[tuple[int, int]]) -> None:
        """As Index."""
        records = [_COUNTED.pack(cluster, 1, number) for cluster, number in counts]
        deque(self.scripts.ask("raise", "clusters", [cluster for cluster, _ in counts], records), maxlen=0)

    def remove(self, gone: Sequence[Gone]) -> None:
        """Take documents out, their places in clusters excepted. May be repeated; the entry goes last."""
        numbered = self._numbered([each.uid for each in gone])
        for table in ("bands", "rare"):
            pairs = [
                (key, number.to_bytes(_WIDE, "little") + key.to_bytes(8, "little")[: pages.KEY_BYTES])
                for each in gone
                if (number := numbered.get(each.uid)) is not None
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
        self.scripts.run(table, self.scripts.calls(operation, keys, records))

    def close(self) -> None:
        """As Index."""
        self._server.close()

    def _look_up(
        self, operation: str, table: str, uids: Sequence[int], size: int
    ) -> Iterator[tuple[int, bytes]]:
        """(uid, value of that size) of those that are there."""
        for _, answer in self.scripts.ask(operation, table, uids, [_UID.pack(uid) for uid in uids]):
            for at in range(0, len(answer), _UID.size + size):
                yield _UID.unpack_from(answer, at)[0], answer[at + _UID.size : at + _UID.size + size]

    def _forget(self, shards: Sequence[redis.Redis]) -> None:
        """Each new connection: the server may have come back without what was written last."""
        self._entries.clear()
        self._numbers.clear()
        self._uids.clear()
        self._pages.clear()
        self._deaths.clear()
        self._parents.clear()


def _links(orders: Sequence[Order], numbers: Sequence[int], keys: Words) -> npt.NDArray[np.void]:
    """A record for each key that is none of 0; link: which of all of them, row by row."""
    links = np.empty(keys.shape, _LINK)
    links["link"] = np.arange(keys.size).reshape(keys.shape)
    links["key"] = _bytes_of(keys, pages.KEY_BYTES)
    links["number"] = _bytes_of(np.array(numbers, np.uint64)[:, None], _WIDE)
    packed = b"".join(_ORDER.pack(*order) for order in orders)
    links["order"] = np.frombuffer(packed, links.dtype["order"])[:, None]
    return links[keys > 0]


def _bytes_of(words: Words, width: int) -> npt.NDArray[np.uint8]:
    """The lower bytes of words, (..., width)."""
    return np.ascontiguousarray(words, "<u8").view(np.uint8).reshape(*words.shape, 8)[..., :width]


def _answered(answers: Sequence[bytes]) -> tuple[npt.NDArray[np.void], Words]:
    """Of keys that had others: _FOUND of each, and the numbers of those that they keep."""
    heads, members = [np.empty(0, _FOUND)], [b""]
    for answer in answers:
        (number,) = _NUMBER.unpack_from(answer)
        heads.append(np.frombuffer(answer, _FOUND, number, _NUMBER.size))
        members.append(answer[_NUMBER.size + number * _FOUND.itemsize :])
    narrow = np.frombuffer(b"".join(members), np.uint8).reshape(-1, _WIDE)
    words = np.zeros((len(narrow), 8), np.uint8)
    words[:, :_WIDE] = narrow
    return np.concatenate(heads), words.view("<u8").reshape(-1)


def _high_bits(keys: npt.NDArray[np.uint8]) -> Words:
    """The upper 32 bits of keys."""
    return np.ascontiguousarray(keys[:, -4:]).view("<u4").reshape(-1).astype(np.uint64)
