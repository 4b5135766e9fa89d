"""The cold tier in Redis: filters in pages, and what there is of them.

The pages of all filters are spread over the shards, in strings of 1 MiB; how many there are and how full,
and how far dedup.log has been taken over, stands in a hash of shard 0. See index.lua for the calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.dedup import cold
from services.dedup.cold import BLOCK, PAGE, Filter, Places, Trace
from services.dedup.config import DedupConfig
from services.dedup.redis_index import RedisIndex
from services.dedup.scripts import Call
from services.dedup.shingles import Words
from services.runtime import Resources, state

_CHUNK = 2000  # blocks in one call: some 2 ms of the server's time
_PLACE = np.dtype([("page", "<u4"), ("at", "<u4")])
_BITS = np.dtype([("page", "<u4"), ("at", "<u4"), ("mask", "<u4", BLOCK // 4)])


class RedisCold:
    """Beside an index, whose calls it makes. All raise what that raises."""

    def __init__(self, index: RedisIndex, server: state.Server, config: DedupConfig) -> None:
        self._scripts = index.scripts
        self._server = server
        self._config = config
        self._name = state.key(config, 0, "cold")

    @classmethod
    def of(cls, resources: Resources, config: DedupConfig) -> RedisCold:
        """Of an index that is there, to be read."""
        made = state.standing(resources, config).made[0]
        server = state.Server(resources.redis, config)
        return cls(RedisIndex(server, config, lambda: made or b"none"), server, config)

    def close(self) -> None:
        """Let go of the server."""
        self._server.close()

    def filters(self) -> list[Filter]:
        """All that there are; as they are now."""
        said = self._said()
        found: list[Filter] = []
        while (pages := said.get(f"pages{len(found)}".encode())) is not None:
            first = found[-1].first + found[-1].pages if found else 0
            found.append(Filter(first, int(pages), int(said.get(f"keys{len(found)}".encode(), 0))))
        return found

    def documents(self) -> int:
        """So many are in them; who was moved again after a kill counts again."""
        return int(self._said().get(b"documents", 0))

    def taken(self) -> dict[int, int]:
        """By partition of dedup.log, the offset up to which its documents are cold."""
        return {int(name[4:]): int(at) for name, at in self._said().items() if name.startswith(b"from")}

    def take(self, offsets: Mapping[int, int]) -> None:
        """They are, up to here."""
        if offsets:
            with self._server.connected() as shards:
                shards[0].hset(self._name, mapping={f"from{number}": at for number, at in offsets.items()})

    def look(self, keys: Words, thresholds: Sequence[float], filters: Sequence[Filter]) -> list[Trace]:
        """What is known of n documents by their keys, (n, 2 bands), 0 for none."""
        hits = np.zeros(len(keys), np.int64)
        rows, columns = keys.nonzero()
        for each in filters:
            there = np.zeros(keys.shape, bool)
            there[rows, columns] = self._there(cold.places(keys[rows, columns], each))
            kinds = there.reshape(len(keys), 2, -1).sum(axis=2)  # shingles, grams
            hits = np.maximum(hits, kinds.max(axis=1))
        return [
            Trace(number, cold.needed(threshold, self._config), cold.likeness(number, self._config))
            for number, threshold in zip(hits.tolist(), thresholds, strict=True)
        ]

    def add(self, keys: Words, documents: int) -> None:
        """Enter keys, (n,), of so many documents. What is entered again changes nothing."""
        filters = self.filters()
        if not filters or filters[-1].room <= 0:
            first = filters[-1].first + filters[-1].pages if filters else 0
            number = first or self._pages()  # as many as there are
            filters.append(Filter(first, number))
            with self._server.connected() as shards:
                shards[0].hsetnx(self._name, f"pages{len(filters) - 1}", number)
        placed = cold.places(keys, filters[-1])
        records = np.empty(len(keys), _BITS)
        records["page"], records["at"], records["mask"] = placed.pages, placed.offsets, placed.masks
        self._scripts.run("cold", self._calls("warm", records, f"{PAGE:08d}".encode())[0])
        with self._server.connected() as shards:
            shards[0].hincrby(self._name, f"keys{len(filters) - 1}", len(keys))
            shards[0].hincrby(self._name, "documents", documents)

    def _pages(self) -> int:
        return cold.pages_for(self._config.cold_documents * self._config.bands)

    def _said(self) -> dict[bytes, bytes]:
        with self._server.connected() as shards:
            found: Any = shards[0].hgetall(self._name)
        return dict(found)

    def _there(self, placed: Places) -> npt.NDArray[np.bool_]:
        records = np.empty(len(placed.pages), _PLACE)
        records["page"], records["at"] = placed.pages, placed.offsets
        calls, order = self._calls("blocks", records)
        answers = b"".join(self._scripts.run("cold", calls))
        blocks = np.empty((len(records), BLOCK // 4), np.uint32)
        blocks[order] = np.frombuffer(answers, "<u4").reshape(-1, BLOCK // 4)
        there: npt.NDArray[np.bool_] = ((blocks & placed.masks) == placed.masks).all(axis=1)
        return there

    def _calls(
        self, operation: str, records: npt.NDArray[np.void], head: bytes = b""
    ) -> tuple[list[Call], npt.NDArray[np.int64]]:
        """One for each shard and chunk; and which records they are of, in this order."""
        shards = records["page"] % self._config.shards
        order = np.argsort(shards, kind="stable")
        calls = []
        for shard in range(self._config.shards):
            own = records[order][shards[order] == shard]
            calls += [
                Call(shard, operation, head + own[at : at + _CHUNK].tobytes())
                for at in range(0, len(own), _CHUNK)
            ]
        return calls, order
