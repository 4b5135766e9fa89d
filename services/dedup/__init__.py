"""dedup: of documents that are the same or nearly so, the best survives."""

from __future__ import annotations

from collections.abc import Mapping

from services.dedup.config import DedupConfig
from services.dedup.judge import DROP_REASONS, Deduplicator
from services.runtime import Resources, Settings, Unit


def build(config: DedupConfig, resources: Resources) -> Deduplicator:
    """The judge, over Redis or over memory. The server is first asked for by the first batch."""
    from services.dedup.index import MemoryIndex
    from services.dedup.marks import MemoryMarks, RedisMarks

    if config.index == "memory":
        return Deduplicator(MemoryIndex(), MemoryMarks(config), config)
    from services.dedup.redis_index import RedisIndex
    from services.dedup.server import Server

    server = Server(resources.redis, config)
    marks = RedisMarks(server, config, resources.topic_ids)
    return Deduplicator(RedisIndex(server, config, marks.generation), marks, config)


def gauges(config: DedupConfig, resources: Resources) -> Mapping[str, float]:
    """How Redis stands."""
    from services.dedup.fullness import told_by_redis

    return told_by_redis(config, resources)


def agrees(config: DedupConfig, settings: Settings) -> Mapping[str, str]:
    """An index of another layout would know nothing of what came before."""
    from services.dedup.marks import layout

    return {"dedup layout": layout(config)}


SERVICE = Unit(
    name="dedup",
    config=DedupConfig,
    build=build,
    drop_reasons=DROP_REASONS,
    positioned=True,
    retracts=True,
    offline={"index": "memory"},
    agrees=agrees,
    gauges=gauges,
)

__all__ = ["SERVICE", "DedupConfig", "Deduplicator", "build"]
