"""Which of several processes reads which source, in Redis.

A lease names its owner and does not run out by itself: the owner does, when it has not been heard of for
`silence_s`. Whoever then wants its sources first fences its transactional id in Kafka, so that a process that
was only asleep can commit nothing more, and then reads how far it came. So Redis decides who reads, and Kafka
what was read.

Keys, for each river (the id of its topic of progress), all in one slot of a cluster:
  {corpusworks-import-RIVER}:lease:DIGEST   owner, or tried:IMPORT for what could not be read in this import
  {corpusworks-import-RIVER}:alive:OWNER    while it is heard of
  {corpusworks-import-RIVER}:began          Unix time in ms: of an import that has begun just now
Memory: one lease for each source that is being read, whatever the list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import redis
import xxhash

from services.runtime.clients.redis import ClusterClient
from services.runtime.errors import DependencyDown

_TRIED_S = 24 * 3600
_BEGAN_S = 60  # processes of one import begin within it

# KEYS: leases. ARGV: me, prefix of alive, silence in ms, import, owners that are fenced…
# One answer a lease: "" it is mine now, "tried", "others", or the owner that is not heard of any more.
_TAKE = """
redis.call('SET', ARGV[2] .. ARGV[1], '1', 'PX', ARGV[3])
local fenced = {}
for i = 5, #ARGV do fenced[ARGV[i]] = true end
local answers = {}
for i, key in ipairs(KEYS) do
  local owner = redis.call('GET', key)
  local tried = owner and string.sub(owner, 1, 6) == 'tried:'
  if not owner or owner == ARGV[1] or (tried and owner ~= 'tried:' .. ARGV[4]) then
    answers[i] = ''
  elseif tried then
    answers[i] = 'tried'
  elseif redis.call('EXISTS', ARGV[2] .. owner) == 1 then
    answers[i] = 'others'
  elseif fenced[owner] then
    answers[i] = ''
  else
    answers[i] = owner
  end
  if answers[i] == '' then redis.call('SET', key, ARGV[1]) end
end
return answers
"""
# KEYS: leases. ARGV: me, what to put there ("" for nothing), seconds it stays.
_LEAVE = """
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    if ARGV[2] == '' then redis.call('DEL', key)
    else redis.call('SET', key, ARGV[2], 'EX', ARGV[3]) end
  end
end
"""
# KEYS: leases. ARGV: me, prefix of alive, silence in ms. How many are mine.
_HOLD = """
redis.call('SET', ARGV[2] .. ARGV[1], '1', 'PX', ARGV[3])
local mine = 0
for _, key in ipairs(KEYS) do if redis.call('GET', key) == ARGV[1] then mine = mine + 1 end end
return mine
"""


class Asked(NamedTuple):
    """mine: sources; others: those that somebody reads. The rest could not be read in this import."""

    mine: list[str]
    others: list[str]


class Leases:
    """owner: the transactional id that the process commits by. Each method raises DependencyDown."""

    def __init__(self, client: Any, river: str, owner: str, silence_s: float) -> None:
        self._client = client
        self._owner = owner
        self._silence_ms = int(silence_s * 1000)
        self._prefix = f"{{corpusworks-import-{river}}}:"
        self._alive = f"{self._prefix}alive:"
        self._connection: redis.Redis | None = None
        self._renewed = 0.0
        self._import = 0
        self._mine: set[str] = set()

    def begin(self, mine_ms: int, former_ms: int) -> int:
        """When this import began: all that begin at about the same time are told the same.

        former_ms: of the import before it, that has ended. What cannot be read is tried once in an import.
        """
        key = f"{self._prefix}began"
        for _ in range(2):
            self._call(lambda it: it.set(key, mine_ms, nx=True, ex=_BEGAN_S))
            found = int(self._call(lambda it: it.get(key)) or mine_ms)
            if found != former_ms:
                break
            self._call(lambda it: it.set(key, mine_ms, ex=_BEGAN_S))
        self._import = found
        return found

    def resume(self, began_ms: int) -> None:
        """Go on with the import that began then."""
        self._import = began_ms

    def take(self, sources: Sequence[str], fence: Callable[[str], None]) -> Asked:
        """fence: makes an owner unable to commit; called before its leases become ours."""
        fenced: list[str] = []
        while True:
            arguments: list[str | int] = [self._owner, self._alive, self._silence_ms, self._import, *fenced]
            said = [answer.decode() for answer in self._script(_TAKE, sources, arguments)]
            silent = sorted(set(said) - {"", "tried", "others", *fenced})
            if not silent:
                break
            for owner in silent:
                fence(owner)
            fenced += silent
        mine = [source for source, answer in zip(sources, said, strict=True) if answer == ""]
        self._mine.update(mine)
        return Asked(mine, [s for s, answer in zip(sources, said, strict=True) if answer == "others"])

    def hold(self, sources: Sequence[str]) -> None:
        """Say that this process lives, before it commits what it read of them.

        Raises DependencyDown also where one is not its own any more: Redis has forgotten.
        """
        found = int(self._script(_HOLD, sources, [self._owner, self._alive, self._silence_ms]))
        self._renewed = time.monotonic()
        if found < len(sources):
            self._mine.clear()
            raise DependencyDown("Redis", "it has forgotten who reads what; it is asked anew")

    def renew(self) -> None:
        """Now and then, while nothing is committed."""
        if time.monotonic() - self._renewed > self._silence_ms / 4000:
            self.hold([])

    def finished(self, sources: Sequence[str]) -> None:
        """They were read to their end, and that is committed."""
        self._mine.difference_update(sources)
        self._script(_LEAVE, sources, [self._owner, "", 0])

    def given_up(self, sources: Collection[str] | None = None) -> None:
        """Of what is held, these (or all) could not be read: they are nobody's until the next import."""
        left = self._mine if sources is None else self._mine.intersection(sources)
        self._mine = self._mine - left
        self._script(_LEAVE, sorted(left), [self._owner, f"tried:{self._import}", _TRIED_S])

    def close(self) -> None:
        """Leave what is held to others at once."""
        left, self._mine = sorted(self._mine), set()
        self._script(_LEAVE, left, [self._owner, "", 0])
        self._call(lambda it: it.delete(self._alive + self._owner))

    def _script(self, script: str, sources: Sequence[str], arguments: Sequence[str | int]) -> Any:
        keys = [f"{self._prefix}lease:{_digest(source)}" for source in sources]
        return self._call(lambda it: it.eval(script, len(keys), *keys, *map(str, arguments)))

    def _call(self, do: Callable[[Any], Any]) -> Any:
        try:
            if self._connection is None:
                clustered = isinstance(self._client, ClusterClient)
                self._connection = self._client.connections([self._prefix])[0] if clustered else self._client
            return do(self._connection)
        except redis.RedisError as error:
            self._connection = None
            raise DependencyDown("Redis", error) from error


def _digest(source: str) -> str:
    return xxhash.xxh3_128_hexdigest(source.encode("utf-8", "surrogatepass"))
