"""The Redis or Valkey behind an index: one connection for all its writes, examined when it is opened.

Index and marks share it. The server syncs what the asking connection wrote, and a connection that
breaks may be followed by one to a server that has less: after a restart, or a fail-over to a replica
that lagged. So whoever opens it again has it examined before anything is asked or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.state.kept import Kept, key

if TYPE_CHECKING:
    import redis

Examine = Callable[[Sequence["redis.Redis"]], None]


class Server:
    """Connects on first use. Raises DependencyDown, and what the examinations raise."""

    def __init__(self, client: Any, kept: Kept) -> None:
        self._client = client
        self._kept = kept
        self._cluster = hasattr(client, "connections")  # of Redis Cluster, as the runtime gives it
        self._examinations: list[Examine] = []
        self._connections: list[redis.Redis] = []

    def when_opened(self, examine: Examine) -> None:
        """Have this called with each new connection, in the order of these calls, before anything else."""
        self._examinations.append(examine)

    @contextmanager
    def connected(self) -> Iterator[Sequence[redis.Redis]]:
        """By shard, the connection to its node. After any trouble it is closed, and examined anew."""
        import redis

        try:
            if not self._connections:
                self._open()
            yield self._connections
        except (redis.RedisError, OSError) as error:
            self.close()
            if isinstance(error, redis.exceptions.MovedError) and not self._cluster:
                raise ConfigurationError(
                    "Redis is a cluster: set CORPUSWORKS_REDIS__CLUSTER=true, and "
                    f"units.{self._kept.unit}.shards to a few for each node"
                ) from error
            raise DependencyDown("redis", error) from error

    def close(self) -> None:
        """Let go of the server."""
        for connection in {id(each): each for each in self._connections}.values():
            connection.close()
        self._connections = []

    def _open(self) -> None:
        try:
            self._connections = self._connect()
            for examine in self._examinations:
                examine(self._connections)
        except BaseException:
            self.close()  # what was not examined to its end is not used
            raise

    def _connect(self) -> list[redis.Redis]:
        """A connection of its own to the node of each shard: to one server, the same for all."""
        shards = range(self._kept.shards)
        if not self._cluster:
            return [self._client.client()] * len(shards)
        return list(self._client.connections([key(self._kept, shard, "generation") for shard in shards]))
