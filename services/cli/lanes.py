"""What a lane of a river holds, read from outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts import Control
from services.mixer.gone import Gone
from services.runtime import topics
from services.runtime.clients.log import Log


def records(log: Log, topic: str, lane: int, since: int = 0) -> Iterator[Any]:
    """What a lane has of a topic from an offset on; nothing where there is no such topic or lane."""
    place = topic, lane
    start, end = log.starts([topic]).get(place, 0), log.settled_ends([topic]).get(place, 0)
    return log.read({place: (max(start, since), end)})


def told(log: Log, lane: int, gone: Gone, since: int = 0) -> Gone:
    """With all that the lane was told from an offset on: who must not be mixed any more."""
    for record in records(log, topics.CONTROL, lane, since):
        gone.add(Control.FromString(record.value))
    return gone
