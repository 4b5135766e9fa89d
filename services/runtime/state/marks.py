"""How far the index has come in what Kafka holds, and whether it still knows all of that.

    reached     offsets up to which documents have been judged; written to each shard after all that the
                batch wrote there, and on disk before Kafka commits the batch
    committed   offsets below which Kafka has committed
So an index that forgot nothing has reached at least what Kafka has committed, at every place and in
every shard, whatever is killed when. One that was emptied, comes from an older copy, lost the end of
its append-only file or was failed over to a replica with less has not, and is refused.

Each shard has the same generation: 16 random hex digits and the layout, written once when the index
is made. Every call of the index names it, so a server that was emptied is noticed at the next call.
An index is made only where Kafka has committed nothing, or by the unit's command `rebuild`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.state.faults import (
    REBUILDING,
    TWO,
    Place,
    Shard,
    behind,
    fault,
    gone,
    new_generation,
    refusal,
    way,
)
from services.runtime.state.kept import Kept, key
from services.runtime.state.server import Server

if TYPE_CHECKING:
    import redis


class Marks(Protocol):
    """All raise DependencyDown when the server does not answer, ConfigurationError when it has forgotten."""

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """Compare with what the group has committed in Kafka, in all partitions of its input.

        To be called before the first judgement, and may be called again. Makes a new index where there
        is none and nothing is committed.
        """

    def generation(self) -> bytes:
        """Of the index that was begun; never empty."""

    def reached(self, offsets: Mapping[Place, int]) -> None:
        """What a batch has to say of everything below these offsets has been written; sync() follows."""

    def sync(self) -> None:
        """Return when what was written survives a crash of the server, where it can promise that."""

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Kafka has committed these offsets; none ever goes back."""

    def committed_offset(self, place: Place) -> int:
        """The offset below which everything is committed; 0 when none is known."""

    def close(self) -> None:
        """Let go of the server."""


class MemoryMarks:
    """The same in dictionaries: an index that begins and ends with its process."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._made: bytes | None = None
        self._reached: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """As Marks."""
        why = fault([Shard(self._made, self._reached)], offsets, ())
        if why is not None:
            raise refusal(self._kept, why)
        self._made = self._made or new_generation(self._kept)
        self.commit(offsets)

    def generation(self) -> bytes:
        """As Marks."""
        if self._made is None:
            raise RuntimeError("marks that were not begun")
        return self._made

    def reached(self, offsets: Mapping[Place, int]) -> None:
        """As Marks."""
        for place, offset in offsets.items():
            self._reached[place] = max(offset, self._reached.get(place, 0))

    def sync(self) -> None:
        """Memory promises nothing."""

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """As Marks."""
        for place, offset in offsets.items():
            if (stands := self._reached.get(place, 0)) < offset:
                raise refusal(self._kept, behind(place, None, stands, offset))
            self._committed[place] = max(offset, self.committed_offset(place))

    def committed_offset(self, place: Place) -> int:
        """As Marks."""
        return self._committed.get(place, 0)

    def close(self) -> None:
        """Nothing to let go of."""


class RedisMarks:
    """In each shard a generation, a hash `reached` and a hash `committed`, by topic id:partition.

    river: ids of all topics of this river by name, filled in by the time of begin().
    """

    def __init__(self, server: Server, kept: Kept, river: Mapping[str, str] | None = None) -> None:
        self._server = server
        self._kept = kept
        self._river = {} if river is None else river
        self._made: bytes | None = None
        self._known: dict[Place, int] = {}  # what this process knows to be committed
        self._topics: set[str] = set()  # whose documents may be judged
        self._durable = True
        server.when_opened(self._examine)

    def begin(self, offsets: Mapping[Place, int]) -> None:
        """As Marks."""
        with self._server.connected() as shards:
            self._check(shards, offsets)
            if self._made is None:
                self._made = self._make(shards)
        self.commit(offsets)

    def generation(self) -> bytes:
        """As Marks."""
        if self._made is None:
            raise RuntimeError("marks that were not begun")
        return self._made

    def reached(self, offsets: Mapping[Place, int]) -> None:
        """As Marks."""
        if {topic for topic, _ in offsets} - self._topics:
            self._admit(offsets)
        self._advance("reached", offsets)

    def sync(self) -> None:
        """As Marks: WAITAOF where the server knows it (Valkey, Redis 7.2) and keeps such a file.

        With `appendfsync everysec`, Redis 7.4 and Valkey to 9.1 at least answer when the file is written
        but not yet on disk (redis/redis#13793): that outlives the process, a power cut only `always`.
        """
        wait_ms = int(self._kept.sync_timeout_s * 1000)
        with self._server.connected() as shards:
            nodes = {id(each): each for each in shards}.values() if self._durable else ()
            answers: list[Any] = [node.waitaof(1, 0, wait_ms) for node in nodes]
        if any(int(answer[0]) < 1 for answer in answers):
            raise DependencyDown("redis", f"append-only file not on disk after {wait_ms} ms")

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """As Marks."""
        self._advance("committed", offsets)
        for place, offset in offsets.items():
            self._known[place] = max(offset, self._known.get(place, 0))

    def committed_offset(self, place: Place) -> int:
        """As Marks."""
        with self._server.connected() as shards:
            offset: Any = shards[0].hget(key(self._kept, 0, "committed"), _field(place))
        return int(offset or 0)

    def close(self) -> None:
        """As Marks."""
        self._server.close()

    def _admit(self, offsets: Mapping[Place, int]) -> None:
        """Topics that this process has not met: their documents may stand in the index from another one.

        Units that are joined otherwise read the same documents from another topic. What was judged of
        them and not committed comes again there and would drop as already seen, so there must be no such.
        """
        with self._server.connected() as shards:
            reached = found_in(shards[:1], self._kept)[0].reached
            committed = offsets_in(shards[0], key(self._kept, 0, "committed"))
        ours = {topic for topic, _ in offsets}
        for (topic, partition), offset in reached.items():
            if topic not in ours and committed.get((topic, partition), 0) < offset:
                raise refusal(
                    self._kept,
                    f"has judged documents of partition {partition} of topic {topic} up to offset {offset} "
                    "that were not committed there, and now reads another topic: units were joined otherwise "
                    "while documents were under way",
                )
        self._topics |= ours

    def _advance(self, name: str, offsets: Mapping[Place, int]) -> None:
        if not offsets:
            return
        pairs = [text for place, offset in offsets.items() for text in (_field(place), str(offset))]
        with self._server.connected() as shards:
            answers = []
            for shard, connection in enumerate(shards):
                keys = [key(self._kept, shard, table) for table in ("generation", "reached", name)]
                answers.append(connection.eval(_ADVANCE, 3, *keys, self.generation(), *pairs))
        for shard, answer in enumerate(answers):
            if answer == _GONE:
                raise gone(self._kept)
            if answer is not None:
                place, offset = list(offsets.items())[answer[0] - 1]
                raise refusal(self._kept, behind(place, shard, answer[1], offset))

    def _examine(self, shards: Sequence[redis.Redis]) -> None:
        """Refuse a server that would forget, and, once begun, one that has forgotten."""
        for connection in {id(each): each for each in shards}.values():
            self._require_no_eviction(connection)
            self._durable = self._keeps_a_file(connection)
        if self._made is not None:
            self._check(shards, self._known)

    def _require_no_eviction(self, connection: redis.Redis) -> None:
        memory: Any = connection.info("memory")
        if memory.get("maxmemory") and memory.get("maxmemory_policy") != "noeviction":
            raise ConfigurationError(
                f"redis evicts keys ({memory['maxmemory_policy']}), so {self._kept.unit} would forget "
                "documents: set maxmemory-policy noeviction"
            )

    def _keeps_a_file(self, connection: redis.Redis) -> bool:
        """Whether WAITAOF can be asked for. Raises ConfigurationError where nothing outlives the server."""
        import redis

        persistence: Any = connection.info("persistence")
        if persistence.get("loading"):  # it answers this, and has no file until it has read it
            raise DependencyDown("redis", "it is still loading its data")
        if not persistence.get("aof_enabled"):
            if self._kept.durable:
                raise ConfigurationError(
                    f"redis keeps no append-only file, so {self._kept.unit} would forget documents when it "
                    "restarts: set `appendonly yes` (and `appendfsync always` against power cuts), or accept "
                    f"with units.{self._kept.unit}.durable: false that the index may have to be rebuilt"
                )
            return False
        try:
            connection.waitaof(0, 0, 1)
        except redis.ResponseError:
            return False  # before Redis 7.2: the file is written before the answer, if not on disk
        return True

    def _check(self, shards: Sequence[redis.Redis], offsets: Mapping[Place, int]) -> None:
        """Raises ConfigurationError when what stands there is not what it must be."""
        found = found_in(shards, self._kept)
        self._require_layout(found)
        why = fault(found, offsets, self._river.values())
        if why is not None:
            raise refusal(self._kept, why)
        if self._made is not None and found[0].made != self._made:
            raise gone(self._kept)

    def _require_layout(self, found: Sequence[Shard]) -> None:
        ours = self._kept.layout
        for shard in found:
            if shard.made in (None, REBUILDING):
                continue
            theirs = shard.made.partition(b" ")[2].decode(errors="replace")
            if theirs != ours:
                unit, prefix = self._kept.unit, self._kept.prefix
                raise ConfigurationError(
                    f"the {unit} index {prefix} was made with {theirs} and the settings say {ours}: "
                    f"{way(self._kept)}; or set them back, or choose another units.{unit}.prefix for a "
                    "new index"
                )

    def _make(self, shards: Sequence[redis.Redis]) -> bytes:
        """The generation that stands, else a new one; of replicas that begin at once, the first decides."""
        made: Any = new_generation(self._kept)
        for shard, connection in enumerate(shards):
            name = key(self._kept, shard, "generation")
            connection.set(name, made, nx=True)
            stands: Any = connection.get(name)
            if shard and stands != made:
                raise refusal(self._kept, TWO)
            made = stands
        return bytes(made)


# KEYS: generation, reached, the hash to advance. ARGV: generation, then pairs (place, offset).
# An offset never goes back, and nothing is committed that was not reached. Each call writes, also when
# nothing changes: WAITAOF waits for what the connection wrote last.
_GONE = b"GONE"
_ADVANCE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'GONE' end
for i = 2, #ARGV, 2 do
  local offset = tonumber(ARGV[i + 1])
  if KEYS[3] ~= KEYS[2] then
    local reached = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or 0)
    if reached < offset then return {i / 2, reached} end
  end
  local stands = tonumber(redis.call('HGET', KEYS[3], ARGV[i]) or 0)
  redis.call('HSET', KEYS[3], ARGV[i], string.format('%.0f', math.max(offset, stands)))
end
return false
"""


def found_in(shards: Sequence[redis.Redis], kept: Kept) -> list[Shard]:
    """What stands in each shard now."""
    found = []
    for shard, connection in enumerate(shards):
        made: Any = connection.get(key(kept, shard, "generation"))
        found.append(Shard(made, offsets_in(connection, key(kept, shard, "reached"))))
    return found


def offsets_in(connection: redis.Redis, name: str) -> dict[Place, int]:
    """The offsets of a hash, by place."""
    found: Any = connection.hgetall(name)
    return {_place(field): int(offset) for field, offset in found.items()}


def put_offsets(connection: redis.Redis, name: str, offsets: Mapping[Place, int]) -> None:
    """Set them, whatever stood there."""
    if offsets:
        connection.hset(name, mapping={_field(place): offset for place, offset in offsets.items()})


def _field(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _place(name: bytes) -> Place:
    topic, _, partition = name.decode().rpartition(":")
    return topic, int(partition)
