"""Large fields in the object store that no kept message refers to any more.

An object belongs to the topic and the day of its message (services/runtime/wire.py) and is written before it.
So nothing refers to it once the oldest message of its topic is of a later day, with a day between them for
clocks and for who writes over midnight; and, since a message could come that was prepared long ago, once the
topic's time is over, too. Dead letters are copies of the message as it was: theirs are read, and what they
refer to stays.

The messages that are gone were committed by all their readers, with the dead letters that came of them in the
same transaction. So where a log begins is looked at first, and its letters after. An object is deleted whole
or not at all, and who is killed in between has done a part. Fields of what is kept for good, as in pools, are
kept with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from contracts import Document
from services.runtime import ObjectStore
from services.runtime.clients.log import Log
from services.runtime.topics import DEAD_LETTER_SUFFIX
from services.runtime.wire import BODIES, day_of

_OURS = re.compile(rf"{BODIES}/(?P<topic>[-\w.]+)/(?P<day>\d{{4}}-\d\d-\d\d)/[\da-f]{{32}}")
_DAY_S = 86_400


@dataclass(frozen=True)
class Bodies:
    """The objects of a topic. left: how many stay; unneeded: the keys of those that nothing refers to."""

    topic: str
    left: int
    unneeded: tuple[str, ...]


def survey_bodies(store: ObjectStore, log: Log, keep: Mapping[str, float], now: float) -> Iterator[Bodies]:
    """By topic, of those that have any; nothing is deleted. now: Unix seconds. Raises DependencyDown."""
    there = log.topics()
    by_topic: dict[str, list[tuple[str, str]]] = {}
    for key in store.list(BODIES):
        if match := _OURS.fullmatch(key):
            by_topic.setdefault(match["topic"], []).append((match["day"], key))
    for topic, objects in sorted(by_topic.items()):
        seconds = keep.get(topic, math.inf)
        if math.isinf(seconds) or topic not in there:
            yield Bodies(topic, len(objects), ())
            continue
        before = _first_day(log, topic, now - seconds)
        old = [key for day, key in objects if day < before]
        held = _of_letters(log, topic + DEAD_LETTER_SUFFIX) if old else set()
        unneeded = tuple(key for key in old if key not in held)
        yield Bodies(topic, len(objects) - len(unneeded), unneeded)


def sweep_bodies(store: ObjectStore, log: Log, keep: Mapping[str, float], now: float) -> list[Bodies]:
    """Delete what nothing refers to; what was found. Raises DependencyDown."""
    found = []
    for bodies in survey_bodies(store, log, keep, now):
        store.delete(bodies.unneeded)
        found.append(bodies)
    return found


def _first_day(log: Log, topic: str, over: float) -> str:
    """The day from which on objects may be referred to. over: the time up to which nothing must be kept."""
    oldest = [record.timestamp / 1000 for record in log.first([topic]).values()]
    return day_of(_midnight(min([over, *oldest])) - _DAY_S)


def _midnight(seconds: float) -> float:
    return datetime.fromtimestamp(seconds, UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _of_letters(log: Log, topic: str) -> set[str]:
    found: set[str] = set()
    for record in log.read_all(topic):
        try:
            found |= {each.key for each in Document.FromString(record.value or b"").references}
        except DecodeError:
            continue  # no message of ours: it refers to nothing
    return found
