"""sentences: what repeats across documents, the frame of a host or a passage, is taken out of the text."""

from __future__ import annotations

from collections.abc import Mapping

from services.runtime import Judge as Judging
from services.runtime import Resources, Settings, Unit, state
from services.sentences.config import SentencesConfig
from services.sentences.judge import Judge, pass_on


def build(config: SentencesConfig, resources: Resources) -> Judging:
    """The judge, over Redis or over memory; one that passes everything on where no source is named."""
    from services.sentences.table import MemoryTable, RedisTable

    if not config.of:
        return pass_on
    if config.index == "memory":
        return Judge(MemoryTable(config), state.MemoryMarks(config), config)
    server = state.Server(resources.redis, config)
    marks = state.RedisMarks(server, config, resources.topic_ids)
    return Judge(RedisTable(server, config, marks.generation), marks, config)


def gauges(config: SentencesConfig, resources: Resources) -> Mapping[str, float]:
    """How Redis stands."""
    return state.told_by_redis(config, resources) if config.of and config.index == "redis" else {}


def agrees(config: SentencesConfig, settings: Settings) -> Mapping[str, str]:
    """A table of another size would be looked up in the wrong places. Nothing while it is off."""
    return {"sentences layout": config.layout} if config.of else {}


SERVICE = Unit(
    name="sentences",
    config=SentencesConfig,
    build=build,
    positioned=True,
    offline={"index": "memory"},
    agrees=agrees,
    gauges=gauges,
)

__all__ = ["SERVICE", "SentencesConfig", "build"]
