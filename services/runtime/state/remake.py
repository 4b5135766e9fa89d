"""An index made anew in the place of what lies there.

Until the end it has no generation: a rebuild that is killed leaves an index that is refused, and is run
again.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.resources import Resources
from services.runtime.state.faults import REBUILDING, Place, new_generation
from services.runtime.state.kept import Kept, key
from services.runtime.state.marks import RedisMarks, found_in, offsets_in, put_offsets
from services.runtime.state.server import Server

if TYPE_CHECKING:
    import redis

_KEYS = 2000  # removed at a time
_LEASE_S = 60  # a rebuild that was killed keeps others out no longer


@dataclass(frozen=True)
class Standing:
    """What stands in Redis. made: the generation and layout of each shard, None where there is none."""

    made: Sequence[bytes | None]
    reached: Mapping[Place, int]
    committed: Mapping[Place, int]
    num_bytes: int  # of the whole server's memory


@contextmanager
def remaking(
    server: Server, marks: RedisMarks, kept: Kept, committed: Mapping[Place, int]
) -> Iterator[Callable[[], None]]:
    """Empty the index, and nothing else, have it filled, and make it one. Yields what is called meanwhile.

    Its calls name the generation REBUILDING. committed: the group's offsets, read before what it is filled
    from was; with none of them it begins empty. Raises ConfigurationError: another rebuild runs;
    DependencyDown.
    """
    with _lease(server, kept) as renew:
        _clear(server, kept, renew)
        yield renew
        _finish(server, marks, kept, committed)


def standing(resources: Resources, kept: Kept) -> Standing:
    """What there is, without judging it. Raises DependencyDown."""
    server = Server(resources.redis, kept)
    with server.connected() as shards:
        found = found_in(shards, kept)
        memory: list[Any] = [connection.info("memory")["used_memory"] for connection in _nodes(shards)]
        told = offsets_in(shards[0], key(kept, 0, "committed"))
    server.close()
    return Standing([shard.made for shard in found], found[0].reached, told, sum(memory))


def _clear(server: Server, kept: Kept, renew: Callable[[], None]) -> None:
    """Take the generation away, then everything under the prefix."""
    spared = {key(kept, shard, "generation").encode() for shard in range(kept.shards)}
    spared.add(_lock(kept).encode())
    pattern = "".join(f"[{c}]" if c in "*?[\\^" else c for c in kept.prefix) + "{*}:*"
    with server.connected() as shards:
        for shard, connection in enumerate(shards):
            connection.set(key(kept, shard, "generation"), REBUILDING)
        for connection in _nodes(shards):
            for names in _batches(connection.scan_iter(match=pattern, count=_KEYS), _KEYS):
                gone = [name for name in names if name not in spared]
                _unlink(connection, gone)
                renew()


def _unlink(connection: redis.Redis, names: Sequence[bytes]) -> None:
    """One by one in a pipeline: a cluster refuses a command over several slots."""
    pipeline = connection.pipeline(transaction=False)
    for name in names:
        pipeline.unlink(name)
    pipeline.execute()


def _finish(server: Server, marks: RedisMarks, kept: Kept, committed: Mapping[Place, int]) -> None:
    """Places, then the generation, which makes it an index; all on disk before this returns."""
    made = new_generation(kept)
    with server.connected() as shards:
        for shard, connection in enumerate(shards):
            put_offsets(connection, key(kept, shard, "reached"), committed)
            put_offsets(connection, key(kept, shard, "committed"), committed)
    marks.sync()
    with server.connected() as shards:
        for shard, connection in enumerate(shards):
            connection.set(key(kept, shard, "generation"), made)
    marks.sync()


@contextmanager
def _lease(server: Server, kept: Kept) -> Iterator[Callable[[], None]]:
    """Only one at a time. Yields what renews it. Raises ConfigurationError."""
    name, token = _lock(kept), secrets.token_hex(8)
    with server.connected() as shards:
        taken = shards[0].set(name, token, nx=True, ex=_LEASE_S)
    if not taken:
        raise ConfigurationError(
            f"another rebuild of the index {kept.prefix} runs, or was killed within the last {_LEASE_S} s: "
            "wait for it"
        )

    def renew() -> None:
        with server.connected() as shards:
            shards[0].set(name, token, ex=_LEASE_S)

    try:
        yield renew
    finally:
        with suppress(DependencyDown), server.connected() as shards:
            shards[0].delete(name)


def _lock(kept: Kept) -> str:
    return key(kept, 0, "rebuild")


def _nodes(shards: Sequence[redis.Redis]) -> list[redis.Redis]:
    return list({id(each): each for each in shards}.values())


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch
