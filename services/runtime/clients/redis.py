"""Clients of Redis or Valkey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from services.runtime.errors import ConfigurationError
from services.runtime.settings import NO_REDIS, STOPPED_REDIS, RedisSettings, secret


def _tls(settings: RedisSettings) -> dict[str, str]:
    """The files of TLS under the client's names, checked; nothing where no TLS is spoken."""
    if not settings.url.startswith("rediss://"):
        return {}
    settings.tls.context()  # the client would say so only when it connects
    files = {
        "ssl_ca_certs": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
    }
    return {name: str(file) for name, file in files.items() if file}


def connect(settings: RedisSettings) -> redis.Redis | ClusterClient:
    """A client, TLS and ACL from the settings; bytes in, bytes out. No I/O yet. Raises ConfigurationError."""
    if settings.url == NO_REDIS:
        raise ConfigurationError(
            "the documents of this folder were mixed from another river: duplicates are known there, ask that"
        )
    if settings.url == STOPPED_REDIS:
        raise ConfigurationError(
            "this needs the river's Redis, which cannot be started where its folder cannot be written: let "
            "it be written, or use a copy"
        )
    options = {
        "username": settings.username,
        "password": secret(settings.password, settings.password_file),
        "socket_timeout": settings.timeout_s,
        "retry": Retry(NoBackoff(), 0),  # the runtime's loop is the one that tries again
        "socket_connect_timeout": settings.timeout_s,
        **_tls(settings),
    }
    try:
        if settings.cluster:
            return ClusterClient(settings.url, options)
        return redis.Redis.from_url(settings.url, **options)
    except ValueError as error:
        raise ConfigurationError(f"CORPUSWORKS_REDIS__URL: {error}") from error  # may hold a password


class ClusterClient:
    """A Redis Cluster, as whoever needs scripts and one connection for all its writes needs it.

    Such a caller keeps the keys of one call in one slot and is given the node that holds it. Where a slot
    moves, or its node fails over to a replica, the call ends in an error (MOVED, ASK, a broken connection),
    and the caller asks for connections again, which looks at the cluster anew.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Raises ValueError when the URL is none."""
        self._url = url
        self._options = dict(options)
        self._seed = redis.Redis.from_url(url, **self._options)
        self._cluster: redis.RedisCluster | None = None

    def ping(self) -> bool:
        """Whether the node of the URL lets us in. Raises redis.RedisError."""
        return bool(self._seed.ping())

    def connections(self, keys: Sequence[str]) -> list[redis.Redis]:
        """For each key the connection to the node that holds it: new, one a node, of the caller's own.

        Raises redis.RedisError, ConfigurationError where there is no cluster.
        """
        try:
            if self._cluster is None:
                self._cluster = redis.RedisCluster.from_url(self._url, **self._options)
            else:
                self._cluster.nodes_manager.initialize()  # asks any node that was there before
            cluster = self._cluster
            nodes = [cluster.get_node_from_key(key) for key in keys]  # type: ignore[no-untyped-call]
        except RedisClusterException as error:
            if "cluster mode" in str(error).lower() or "cluster support disabled" in str(error):
                raise ConfigurationError(
                    f"CORPUSWORKS_REDIS__CLUSTER=true, but the server of the URL is no cluster: {error}"
                ) from error
            raise redis.ConnectionError(str(error)) from error
        found = {node.name: node for node in nodes if node is not None}
        if len(found) < len({node.name if node else "" for node in nodes}):
            raise redis.ConnectionError("the cluster has slots that no node holds")
        own = {name: _own(cluster.get_redis_connection(node)) for name, node in found.items()}
        return [own[node.name] for node in nodes if node is not None]

    def close(self) -> None:
        """Let go of it."""
        self._seed.close()
        if self._cluster is not None:
            self._cluster.close()


def _own(client: redis.Redis) -> redis.Redis:
    """One connection of that client, which nobody else uses."""
    connection: redis.Redis = client.client()  # type: ignore[no-untyped-call]
    return connection
