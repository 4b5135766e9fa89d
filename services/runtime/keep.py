"""How long messages are kept: what topology.yaml and the setting `keep` say, in seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.runtime.errors import ConfigurationError
from services.runtime.topics import DEAD_LETTER_SUFFIX

if TYPE_CHECKING:
    from services.runtime.topology import Topic

FOREVER = math.inf
_WORD = "forever"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds(said: Any) -> float:
    """Of `7d`, `12h`, `30m`, `90s` or `forever`. Raises ValueError."""
    if said == _WORD:
        return FOREVER
    match = _TIME.fullmatch(str(said))
    if match is None:
        raise ValueError(f"{said!r} is no time: write a number with s, m, h or d, as in 7d, or {_WORD}")
    return float(match[1]) * _UNITS[match[2]]


def kept(topics: Mapping[str, Topic], asked: Mapping[str, str]) -> dict[str, float]:
    """Seconds by topic, of those that grow: a compacted one is as large as its keys are many.

    asked: over what the table says. What the table keeps for good is read from its beginning, so nobody can
    ask for less; of dead letters one can, since each is for a person. Raises ConfigurationError.
    """
    growing = {name: topic for name, topic in topics.items() if not topic.compact}
    for name, said in asked.items():
        if name not in growing:
            why = "is compacted: it keeps the last message of each key" if name in topics else "is no topic"
            raise ConfigurationError(f"CORPUSWORKS_KEEP: {name} {why}; take it out")
        if growing[name].keep == FOREVER and said != _WORD and not name.endswith(DEAD_LETTER_SUFFIX):
            raise ConfigurationError(
                f"CORPUSWORKS_KEEP: {name} is kept for good, since it is read from its beginning; take it out"
            )
    found = {name: topic.keep for name, topic in growing.items()}
    for name, said in asked.items():
        try:
            found[name] = seconds(said)
        except ValueError as error:
            raise ConfigurationError(f"CORPUSWORKS_KEEP: {name}: {error}") from error
    return found
