"""What the Redis behind an index tells of itself: how full it is, and whether it is set up to forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.runtime.resources import Resources
from services.runtime.state.kept import Kept
from services.runtime.state.server import Server

if TYPE_CHECKING:
    import redis


def told_by_redis(kept: Kept, resources: Resources) -> dict[str, float]:
    """By the names of the runtime's metrics; of several nodes the fullest.

    Raises ConfigurationError, DependencyDown.
    """
    server = Server(resources.redis, kept)
    try:
        with server.connected() as shards:
            nodes = {id(each): each for each in shards}.values()
            told = [_told(node) for node in nodes]
    finally:
        server.close()
    fullest = max(told, key=lambda one: one["redis_used_bytes"] / (one["redis_limit_bytes"] or 1))
    return {
        **fullest,
        "redis_evicted_keys": sum(one["redis_evicted_keys"] for one in told),
        "redis_forgetful": max(one["redis_forgetful"] for one in told),
    }


def _told(node: redis.Redis) -> dict[str, float]:
    return read({**node.info("memory"), **node.info("stats"), **node.info("persistence")})


def read(info: Mapping[str, Any]) -> dict[str, float]:
    """Of one node, out of the sections memory, stats and persistence of its INFO.

    A node evicts keys only where it has a limit and another policy than noeviction.
    One that is loading its file says that it has none.
    """
    keeps = info.get("aof_enabled", 0) or info.get("loading", 0)
    limit = int(info.get("maxmemory", 0))
    evicts = limit > 0 and info.get("maxmemory_policy", "noeviction") != "noeviction"
    return {
        "redis_used_bytes": float(info.get("used_memory", 0)),
        "redis_limit_bytes": float(limit or info.get("total_system_memory", 0)),
        "redis_evicted_keys": float(info.get("evicted_keys", 0)),
        "redis_forgetful": float(evicts or not keeps),
    }
