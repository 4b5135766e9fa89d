"""Calls of the scripts in Redis, index.lua and bands.lua: to which shard, and how many records in one.

A step is one pipeline for each server with one call for each shard and chunk; a chunk keeps the server busy
for at most some 10 ms, so that other clients are not held up. Each call names the generation of the index, so
that a server which was emptied is noticed and not filled again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from services.dedup.config import DedupConfig
from services.runtime import state

if TYPE_CHECKING:
    import redis

_HEAD, _INDEX, _BANDS = "head.lua", "index.lua", "bands.lua"
_OF_BANDS = frozenset({"link", "meet", "unlink"})
CHUNK = 1000  # records in one call: some 5 ms of the server's time


@dataclass(frozen=True)
class Script:
    """A server that has loaded it knows it by its digest."""

    source: str

    @cached_property
    def sha(self) -> str:
        """Of SHA-1, in hexadecimal digits."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class Call(NamedTuple):
    """One call of a script. records: packed; numbers: which of those that were given."""

    shard: int
    operation: str
    records: bytes
    numbers: Sequence[int] = ()


class Scripts:
    """generation: asked at each call for that of the index, see Marks."""

    def __init__(self, server: state.Server, config: DedupConfig, generation: Callable[[], bytes]) -> None:
        self._server = server
        self._config = config
        self._generation = generation
        self.by_name = {name: Script(_read(_HEAD) + _read(name)) for name in (_INDEX, _BANDS)}
        server.when_opened(self._load)

    def shard(self, word: int) -> int:
        """Of a key. By the high bits, since the low ones choose the hash within a table."""
        return (word >> 32) * self._config.shards >> 32

    def calls(
        self, operation: str, keys: Sequence[int], records: Sequence[bytes], head: bytes = b""
    ) -> list[Call]:
        """Of an operation over records, each in the shard of its key. head: what each call begins with."""
        shards: list[list[int]] = [[] for _ in range(self._config.shards)]
        for number, word in enumerate(keys):
            shards[self.shard(word)].append(number)
        return [
            Call(index, operation, head + b"".join(records[number] for number in chunk), chunk)
            for index, numbers in enumerate(shards)
            for chunk in chunks(numbers)
        ]

    def ask(
        self, operation: str, table: str, keys: Sequence[int], records: Sequence[bytes], head: bytes = b""
    ) -> Iterator[tuple[Sequence[int], bytes]]:
        """Run such calls: the numbers of their records, and the answer, of each."""
        calls = self.calls(operation, keys, records, head)
        return zip([call.numbers for call in calls], self.run(table, calls), strict=True)

    def run(self, table: str, calls: Sequence[Call]) -> list[bytes]:
        """The answers. A server that lost its scripts gets them again.

        Raises DependencyDown, ConfigurationError when the index has forgotten.
        """
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
                script = self.by_name[_BANDS if operation in _OF_BANDS else _INDEX]
                pipeline.evalsha(script.sha, 2, *names, operation, records, self._generation())
            answers |= zip(numbers, pipeline.execute(), strict=True)
        return [answers[number] for number in range(len(calls))]

    def _load(self, shards: Sequence[redis.Redis]) -> None:
        for connection in _servers(shards):
            for script in self.by_name.values():
                connection.script_load(script.source)


def chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """CHUNK of them each."""
    return (numbers[at : at + CHUNK] for at in range(0, len(numbers), CHUNK))


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def _servers(shards: Sequence[redis.Redis]) -> list[redis.Redis]:
    return list({id(connection): connection for connection in shards}.values())
