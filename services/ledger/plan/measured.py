"""What one document takes on a river that stands: bytes on its disks and in its store, by its documents."""

from __future__ import annotations

from collections import Counter

import redis

from services.ledger.plan.figures import ARCHIVE_DOCUMENTS, ARCHIVE_DROPS, ARCHIVE_USES, PARTS, REDIS
from services.runtime import ConfigurationError, DependencyDown, Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.settings import STOPPED_REDIS
from services.runtime.topics import RAW
from services.runtime.topology import BUCKET, Topology

_LEAST = 50  # documents: fewer say nothing


def measured(settings: Settings, topology: Topology) -> dict[str, float]:
    """Bytes by document that ever came in, of what holds documents; see figures.py for the names.

    A topic's bytes are those of its segments, by the messages that are left, times how many there ever were
    for a document. A segment is deleted whole, so soon after a deletion it may read up to twice too much.
    Raises ConfigurationError: too few documents; DependencyDown.
    """
    with Admin(settings) as admin, Log(settings) as log:
        sizes = admin.sizes()
        names = [name for name in topology.table if BUCKET not in name]
        pools = [name for name in topology.topics() if name not in names and not name.endswith(".dlq")]
        starts, ends = _sums(log.starts([*names, *pools])), _sums(log.ends([*names, *pools]))
    if (documents := ends[RAW]) < _LEAST:
        raise ConfigurationError(f"only {documents} documents came in; {_LEAST} or more say what one takes")
    on_disk = Counter[str]()
    for (topic, _), size in sizes.items():
        on_disk[topic] += size
    found = {}
    for name in names:
        if left := ends[name] - starts[name]:
            ever = left if topology.table[name].compact else ends[name]
            found[name] = on_disk[name] / left * ever / documents
    pattern = next((name for name in topology.table if BUCKET in name), None)
    if pattern is not None:
        found[pattern] = sum(on_disk[name] for name in pools) / documents
    store = Resources(settings).store
    for prefix in (ARCHIVE_DOCUMENTS, ARCHIVE_DROPS, ARCHIVE_USES, PARTS):
        found[prefix] = store.size(prefix) / documents
    return found | {name: size / documents for name, size in _redis(settings).items()}


def _sums(offsets: dict[tuple[str, int], int]) -> Counter[str]:
    found = Counter[str]()
    for (topic, _), offset in offsets.items():
        found[topic] += offset
    return found


def _redis(settings: Settings) -> dict[str, float]:
    """Bytes beyond those of an empty server; nothing of one that is stopped, nor of a cluster, whose nodes
    hold other things as well.
    """
    if settings.redis.url == STOPPED_REDIS:
        return {}
    resources = Resources(settings)
    try:
        if not isinstance(resources.redis, redis.Redis):
            return {}
        said = resources.redis.info("memory")
        return {REDIS: float(said["used_memory"]) - float(said["used_memory_startup"])}
    except redis.RedisError as error:
        raise DependencyDown("Redis", error) from error
    finally:
        resources.close()
