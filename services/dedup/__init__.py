"""dedup: of documents that are the same or nearly so, the best survives."""

from __future__ import annotations

from collections.abc import Mapping

from services.dedup.config import DedupConfig
from services.dedup.judge import DROP_REASONS, Deduplicator
from services.runtime import Resources, Settings, Unit, state


def build(config: DedupConfig, resources: Resources) -> Deduplicator:
    """The judge, over Redis or over memory. The server is first asked for by the first batch."""
    from services.dedup.index import MemoryIndex

    if config.index == "memory":
        return Deduplicator(MemoryIndex(), state.MemoryMarks(config), config, resources.settings.lanes)
    from services.dedup.cold_index import RedisCold
    from services.dedup.redis_index import RedisIndex

    server = state.Server(resources.redis, config)
    marks = state.RedisMarks(server, config, resources.topic_ids)
    index = RedisIndex(server, config, marks.generation)
    cold = RedisCold(index, server, config)
    return Deduplicator(index, marks, config, resources.settings.lanes, cold)


def gauges(config: DedupConfig, resources: Resources) -> Mapping[str, float]:
    """How Redis stands."""
    return {} if config.index == "memory" else state.told_by_redis(config, resources)


def agrees(config: DedupConfig, settings: Settings) -> Mapping[str, str]:
    """An index of another layout would know nothing of what came before."""
    return {"dedup layout": config.layout}


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
