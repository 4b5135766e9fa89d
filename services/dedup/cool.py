"""Documents go from the full index to the cold tier, in the order of dedup.log.

What stands there is committed, so nobody who is moved is under judgement or will be judged again after a
kill. Their keys are entered in a filter first, on disk before anything is removed, and their entries go
last: whoever is interrupted does the same again. A document that is judged in the very moment at which a
copy of it is moved may miss that; one that looks while it is in both is taken for a copy of what is cold.

Their places in clusters stay, some 30 bytes of those that have one, so that clusters keep their ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from contracts import DedupRecord
from services.dedup.cold_index import RedisCold
from services.dedup.config import DedupConfig
from services.dedup.page import unpack_keys
from services.dedup.redis_index import Gone, RedisIndex
from services.runtime import ConfigurationError, Resources, state

_BATCH = 2000  # records

Progress = Callable[[int], None]  # documents so far


class Cooler:
    """Over an index that is there. Raises ConfigurationError where there is none, DependencyDown."""

    def __init__(self, resources: Resources, config: DedupConfig) -> None:
        made = state.standing(resources, config).made
        if None in made or state.REBUILDING in made:
            raise ConfigurationError(
                f"no index {config.prefix} is in Redis, or it is being rebuilt: `corpusworks dedup status`"
            )
        self._server = state.Server(resources.redis, config)
        self._marks = state.RedisMarks(self._server, config)
        generation = made[0] or b""
        self._index = RedisIndex(self._server, config, lambda: generation)
        self.cold = RedisCold(self._index, self._server, config)

    def move(self, records: Iterable[DedupRecord], progress: Progress = lambda documents: None) -> int:
        """Whoever of these is in the full index; how many. May be repeated."""
        moved, rest = 0, iter(records)
        while batch := list(itertools.islice(rest, _BATCH)):
            sights = [record for record in batch if not record.killer]
            known = self._index.fetch([record.uid for record in sights])
            there = [record for record in sights if record.uid in known]
            enter(self.cold, there)
            self._marks.sync()
            self._index.remove([_gone(record) for record in there])
            moved += len(there)
            progress(moved)
        self._marks.sync()
        return moved

    def close(self) -> None:
        """Let go of the server."""
        self._server.close()


def enter(cold: RedisCold, records: Sequence[DedupRecord]) -> None:
    """Their keys; a copy of an exact text has none of its own."""
    keys = [unpack_keys(record.bands) for record in records if record.bands]
    if keys:
        cold.add(np.concatenate(keys), len(records))


def _gone(record: DedupRecord) -> Gone:
    bands, rare = (unpack_keys(packed).tolist() for packed in (record.bands, record.rare))
    return Gone(record.uid, record.exact, bands, rare)
