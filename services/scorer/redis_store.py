"""The store in Redis or Valkey, shared by all replicas: some 12 kB a group, some 20 bytes a document.

A batch is put in optimistically: read, rank here, write if nobody else wrote meanwhile (WATCH, MULTI). That
window is a few milliseconds of a batch's second, so replicas seldom meet, and then the later one ranks
again. Four round trips a batch, whatever its size.

Nothing waits for the disk. What a server loses with its last second is that second's share in the sketches,
and for a replay of just those documents the memory of who was kept.
"""

from __future__ import annotations

import itertools
import random
import struct
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.runtime import ConfigurationError, DependencyDown
from services.scorer.group import Group, Ranked, State
from services.scorer.store import Change, Fates

if TYPE_CHECKING:
    import redis

_TRIES = 20
_PAUSE_S = 0.002  # longest before the second try; about as long as a batch is ranked
_LONGEST_PAUSE_S = 0.1
_UID = struct.Struct("<Q")
_FATES: Mapping[str, bool | None] = {"0": False, "1": True, "-": None}

# Uids of 8 bytes each (ARGV[1]) in 2^18 hashes, by their first 18 bits. A hash of up to 128 fields is a
# listpack: on Valkey 9.1 35 bytes a document at 2 million, 17 at 8 and 12 at 20 to 30 million (measured);
# beyond, hashes outgrow the listpack, which is some 60 bytes each.
_EACH = """
local uids = ARGV[1]
local function each(act)
  for at = 1, #uids, 8 do
    local a, b, c = string.byte(uids, at, at + 2)
    act(KEYS[1] .. (a + b * 256 + c % 4 * 65536), string.sub(uids, at + 2, at + 7), (at + 7) / 8)
  end
end
"""
# One character for each: 0 dropped, 1 kept, - not known.
_READ = (
    _EACH
    + """
local found = {}
each(function(key, field, n) found[n] = redis.call('HGET', key, field) or '-' end)
return table.concat(found)
"""
)
# ARGV[2]: a character for each, as above. The first stands.
_WRITE = (
    _EACH
    + """
each(function(key, field, n) redis.call('HSETNX', key, field, string.sub(ARGV[2], n, n)) end)
"""
)


class RedisStore:
    """Connects on first use.

    prefix: of the keys {prefix}:source:language/format/category and {prefix}:kept:number; all on one hash
        tag, since one transaction writes them. expire_s: after so long without a document a group's state
        goes; those of old versions, that is.
    """

    def __init__(self, client: redis.Redis, prefix: str, expire_s: int) -> None:
        self._client = client
        self._prefix = prefix
        self._expire_s = expire_s

    def update(self, batch: Mapping[Group, Sequence[int]], change: Change) -> dict[Group, Ranked]:
        """As Store. Raises DependencyDown; ConfigurationError where a key holds something else."""
        import redis

        try:
            with self._client.pipeline() as pipeline:
                for attempt in range(_TRIES):
                    try:
                        return self._try(pipeline, batch, change)
                    except redis.WatchError:
                        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _PAUSE_S * 2**attempt)))
        except (redis.RedisError, OSError) as error:
            raise DependencyDown("redis", error) from error
        raise DependencyDown("redis", f"the groups' states were written by others {_TRIES} times in a row")

    def _try(
        self, pipeline: redis.client.Pipeline, batch: Mapping[Group, Sequence[int]], change: Change
    ) -> dict[Group, Ranked]:
        keys = [self._key(group) for group in batch]
        pipeline.watch(*keys)  # type: ignore[no-untyped-call]
        stored: list[Any] = pipeline.mget(keys)
        uids = b"".join(map(_UID.pack, itertools.chain.from_iterable(batch.values())))
        fates = self._read(pipeline, uids)
        found, states, kept = {}, {}, ""
        for group, key, data in zip(batch, keys, stored, strict=True):
            mine, fates = fates[: len(batch[group])], fates[len(batch[group]) :]
            states[key], found[group] = change(group, _load(key, data) if data is not None else None, mine)
            kept += "".join("01"[each] for each in found[group].kept.tolist()) if batch[group] else ""
        pipeline.multi()
        for key, state in states.items():
            pipeline.set(key, state.data, ex=self._expire_s)
        if uids:
            pipeline.eval(_WRITE, 1, self._kept, uids, kept)
        pipeline.execute()
        return found

    def _read(self, pipeline: redis.client.Pipeline, uids: bytes) -> Fates:
        answer: Any = pipeline.eval(_READ, 1, self._kept, uids) if uids else b""
        return [_FATES[each] for each in answer.decode()]

    @property
    def _kept(self) -> str:
        return f"{{{self._prefix}}}:kept:"

    def _key(self, group: Group) -> str:
        return f"{{{self._prefix}}}:{group.source}:{group.language}/{group.format}/{group.category}"


def _load(key: str, data: bytes) -> State:
    try:
        return State.load(data)
    except ValueError as error:
        raise ConfigurationError(
            f"redis holds no state of the scorer under {key} ({error}): delete the key, or choose another "
            "units.scorer.prefix if it belongs to another program"
        ) from error
