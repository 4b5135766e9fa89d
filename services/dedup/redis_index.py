"""The index in Redis or Valkey, shared by all replicas: about 350 bytes a document.

Three tables (documents, exact texts, bands) in each shard, see index.lua. A step is one pipeline with
one script call for each shard and chunk; a chunk keeps the server busy for at most some 10 ms, so
that other clients are not held up. Each call names the generation of the index, so that a server which
was emptied is noticed and not filled again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from services.dedup.config import DedupConfig
from services.dedup.entry import SIZE, Entry, Order
from services.dedup.marks import gone
from services.dedup.server import Server, key

if TYPE_CHECKING:
    import redis

_CHUNK = 1000  # records in one call: some 5 ms of the server's time
_CACHE = 50_000  # entries, and killers, remembered by this process; they never change
_LINK = np.dtype([("number", "<u4"), ("uid", "<u8"), ("key", "<u4")])
_ORDER = struct.Struct(">fIQ")  # positive floats sort as their bits do
_NUMBER = struct.Struct("<I")
_UID = struct.Struct("<Q")


class RedisIndex:
    """Connects on first use. Raises DependencyDown, ConfigurationError when the index has forgotten.

    generation: asked at each call for that of the index, see Marks.
    """

    def __init__(self, server: Server, config: DedupConfig, generation: Callable[[], bytes]) -> None:
        self._server = server
        self._config = config
        self._generation = generation
        self._sha = ""
        self._source = Path(__file__).with_name("index.lua").read_text()
        self._entries: dict[int, Entry] = {}
        self._killers: dict[int, int] = {}
        server.when_opened(self._examine)

    def put(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """As Index."""
        known: list[Entry | None] = [None] * len(entries)
        records = [_UID.pack(entry.uid) + entry.pack() for entry in entries]
        size = _NUMBER.size + SIZE
        for numbers, answer in self._call("put", "documents", [e.uid for e in entries], records):
            for at in range(0, len(answer), size):
                number = numbers[_NUMBER.unpack_from(answer, at)[0]]
                known[number] = Entry.unpack(entries[number].uid, answer[at + _NUMBER.size : at + size])
        for entry, old in zip(entries, known, strict=True):
            self._remember(old or entry)
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

    def link(self, uids: Sequence[int], bands: npt.NDArray[np.uint32]) -> list[set[int]]:
        """As Index."""
        met: list[set[int]] = [set() for _ in uids]
        links = np.empty(bands.shape, _LINK)
        links["number"] = np.arange(len(uids))[:, None]
        links["uid"] = np.array(uids, np.uint64)[:, None]
        links["key"] = bands
        flat = links.reshape(-1)
        shard = (flat["key"].astype(np.uint64) * np.uint64(self._config.shards)) >> np.uint64(32)
        calls = [
            (index, part[at : at + _CHUNK].tobytes())
            for index in range(self._config.shards)
            for part in [flat[shard == index]]
            for at in range(0, len(part), _CHUNK)
        ]
        for answer in self._run("link", "bands", calls):
            at = 0
            while at < len(answer):
                number, length = struct.unpack_from("<II", answer, at)
                met[number].update(np.frombuffer(answer, "<u8", length // 8, at + 8).tolist())
                at += 8 + length
        for uid, others in zip(uids, met, strict=True):
            others.discard(uid)
        return met

    def fetch(self, uids: Collection[int]) -> dict[int, Entry]:
        """As Index."""
        found = {uid: self._entries[uid] for uid in uids if uid in self._entries}
        missing = [uid for uid in uids if uid not in found]
        records = [_UID.pack(uid) for uid in missing]
        for _, answer in self._call("fetch", "documents", missing, records):
            for at in range(0, len(answer), _UID.size + SIZE):
                uid = _UID.unpack_from(answer, at)[0]
                found[uid] = Entry.unpack(uid, answer[at + _UID.size : at + _UID.size + SIZE])
                self._remember(found[uid])
        return found

    def bury(self, deaths: Sequence[tuple[int, int]]) -> list[int]:
        """As Index."""
        if len(self._killers) >= _CACHE:
            self._killers.clear()
        asked = [(uid, killer) for uid, killer in deaths if uid not in self._killers]
        records = [_UID.pack(uid) + _UID.pack(killer) for uid, killer in asked]
        for numbers, answer in self._call("bury", "documents", [uid for uid, _ in asked], records):
            for number, (killer,) in zip(numbers, _UID.iter_unpack(answer), strict=True):
                self._killers[asked[number][0]] = killer
        return [self._killers[uid] for uid, _ in deaths]

    def close(self) -> None:
        """As Index."""
        self._server.close()

    def _call(
        self, operation: str, table: str, keys: Sequence[int], records: Sequence[bytes]
    ) -> Iterator[tuple[Sequence[int], bytes]]:
        """Run an operation over records, each in the shard of its key; (their numbers, the answer)."""
        shards: list[list[int]] = [[] for _ in range(self._config.shards)]
        for number, word in enumerate(keys):
            # by the high bits, since the low ones choose the hash within a table
            shards[(word >> 32) * self._config.shards >> 32].append(number)
        chunks = [
            (index, numbers[at : at + _CHUNK])
            for index, numbers in enumerate(shards)
            for at in range(0, len(numbers), _CHUNK)
        ]
        calls = [(index, b"".join(records[number] for number in numbers)) for index, numbers in chunks]
        answers = self._run(operation, table, calls)
        return zip([numbers for _, numbers in chunks], answers, strict=True)

    def _run(self, operation: str, table: str, calls: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """One pipeline. A server that lost its scripts gets them again, which nothing has preceded."""
        import redis

        if not calls:
            return []
        with self._server.connected() as shards:
            try:
                return self._pipeline(shards[0], operation, table, calls)
            except redis.exceptions.NoScriptError:
                self._sha = str(shards[0].script_load(self._source))
                return self._pipeline(shards[0], operation, table, calls)
            except redis.exceptions.ResponseError as error:
                if "GENERATION" in str(error):
                    raise gone(self._config) from error
                raise

    def _pipeline(
        self, connection: redis.Redis, operation: str, table: str, calls: Sequence[tuple[int, bytes]]
    ) -> list[bytes]:
        pipeline = connection.pipeline(transaction=False)
        for shard, records in calls:
            keys = [key(self._config, shard, table), key(self._config, shard, "generation")]
            pipeline.evalsha(self._sha, 2, *keys, operation, records, self._generation())
        return pipeline.execute()

    def _examine(self, shards: Sequence[redis.Redis]) -> None:
        """Each new connection: the server may have come back without what was written last."""
        self._entries.clear()
        self._killers.clear()
        for connection in {id(each): each for each in shards}.values():
            self._sha = str(connection.script_load(self._source))

    def _remember(self, entry: Entry) -> None:
        if len(self._entries) >= _CACHE:
            self._entries.clear()
        self._entries[entry.uid] = entry
