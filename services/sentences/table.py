"""How many documents have each key: the steps, the table in memory and the one in Redis.

Counted once, whatever comes again: with its counts a call writes the offset of the last document of each
place, and what lies below it is only looked up. So a batch that is judged again after a kill finds the
counts that it made, and adds nothing to them.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from services.runtime import state
from services.sentences.bucket import MOST, SLOTS
from services.sentences.config import SentencesConfig

if TYPE_CHECKING:
    import redis

_ALWAYS, _NEVER = 65_535, 65_534
_DOCUMENT = struct.Struct("<HIIIB")
_KEY = struct.Struct("<II")
_CHUNK = 4000  # keys in a call: some 10 ms of the server's time
_PLACES = 1000  # in a call


class Seen(NamedTuple):
    """A document: its keys, and what tells whether it was counted.

    place, offset: where it was read; no place: it is counted each time. tag: a byte of its address or uid: a
    key that was last seen under the same one is not counted again, so that a page which is fetched again and
    again does not become a repetition of itself (one in 256 others is missed with it).
    look: it is not counted.
    """

    keys: Collection[int]
    place: state.Place | None
    offset: int
    tag: int
    look: bool = False


class Table(Protocol):
    """Raises DependencyDown, ConfigurationError when the server has forgotten."""

    def count(self, documents: Sequence[Seen]) -> dict[int, int]:
        """How many documents have each of their keys, these included; given in the order of offsets."""

    def forgotten(self) -> int:
        """Entries that were pushed out since this was asked last."""


class MemoryTable:
    """In a dictionary, for one process and one run."""

    def __init__(self, config: SentencesConfig) -> None:
        self._most = config.entries
        self._counts: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._reached: dict[state.Place, int] = {}
        self._forgotten = 0

    def count(self, documents: Sequence[Seen]) -> dict[int, int]:
        """As Table."""
        for document in documents:
            if self._is_new(document):
                for key in document.keys:
                    self._add(key, document.tag)
        return {key: self._counts.get(key, (0, 0))[0] for each in documents for key in each.keys}

    def forgotten(self) -> int:
        """As Table."""
        told, self._forgotten = self._forgotten, 0
        return told

    def _is_new(self, document: Seen) -> bool:
        if document.look or document.place is None:
            return not document.look
        if document.offset < self._reached.get(document.place, 0):
            return False
        self._reached[document.place] = document.offset + 1
        return True

    def _add(self, key: int, tag: int) -> None:
        count, last = self._counts.get(key, (0, -1))
        if last != tag:
            self._counts[key] = (min(count + 1, MOST), tag)
            self._counts.move_to_end(key)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
            self._forgotten += 1


class RedisTable:
    """In Redis or Valkey, shared by all replicas: table.lua. generation: asked at each call, see Marks."""

    def __init__(
        self, server: state.Server, config: SentencesConfig, generation: Callable[[], bytes]
    ) -> None:
        self._server = server
        self._config = config
        self._generation = generation
        self._buckets = max(1, config.entries // SLOTS // config.shards)  # of a shard
        self._source = Path(__file__).with_name("table.lua").read_text()
        self._sha = ""
        self._forgotten = 0
        server.when_opened(self._load)

    def count(self, documents: Sequence[Seen]) -> dict[int, int]:
        """As Table: a call for each shard and some documents."""
        found: dict[int, int] = {}
        for part in _parts(documents):
            with self._server.connected() as shards:
                for shard, connection in enumerate(shards):
                    self._call(connection, shard, part, found)
        return found

    def forgotten(self) -> int:
        """As Table."""
        told, self._forgotten = self._forgotten, 0
        return told

    def _call(self, connection: redis.Redis, shard: int, part: Sequence[Seen], found: dict[int, int]) -> None:
        import redis

        places = list(dict.fromkeys(each.place for each in part if each.place and not each.look))
        numbers = {place: number for number, place in enumerate(places, 1)}
        documents, asked = bytearray(), list[int]()
        packed = bytearray()
        for document in part:
            keys = [key for key in document.keys if self._slot(key)[0] == shard]
            place = _NEVER if document.look else numbers[document.place] if document.place else _ALWAYS
            high, low = divmod(document.offset, 1 << 32)
            documents += _DOCUMENT.pack(place, low, high, len(keys), document.tag)
            packed += b"".join(_KEY.pack(self._slot(key)[1], key >> 32) for key in keys)
            asked += keys
        names = [state.key(self._config, shard, name) for name in ("counts", "generation", "reached")]
        fields = [f"{topic}:{partition}" for topic, partition in places]
        given = (*names, self._generation(), bytes(documents), bytes(packed), *fields)
        try:
            answer = self._answer(connection, given)
        except redis.ResponseError as error:
            if "GENERATION" in str(error):
                raise state.gone(self._config) from error
            raise
        self._forgotten += int.from_bytes(answer[:4], "little")
        found |= zip(asked, struct.unpack(f"<{len(asked)}H", answer[4:]), strict=True)

    def _answer(self, connection: redis.Redis, given: Sequence[Any]) -> Any:
        """A server that lost its scripts gets this one again."""
        import redis

        try:
            return connection.evalsha(self._sha, 3, *given)
        except redis.exceptions.NoScriptError:
            self._load([connection])
            return connection.evalsha(self._sha, 3, *given)

    def _slot(self, key: int) -> tuple[int, int]:
        """Shard, and bucket in it."""
        return divmod((key & 0xFFFFFFFF) % (self._buckets * self._config.shards), self._buckets)

    def _load(self, shards: Sequence[redis.Redis]) -> None:
        for connection in {id(each): each for each in shards}.values():
            self._sha = str(connection.script_load(self._source))


def _parts(documents: Sequence[Seen]) -> Iterator[list[Seen]]:
    """Whole documents; one alone may have more than a call is meant to."""
    part: list[Seen] = []
    size = 0
    for document in documents:
        if part and (size + len(document.keys) > _CHUNK or len(part) == _PLACES):
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document.keys)
    if part:
        yield part
