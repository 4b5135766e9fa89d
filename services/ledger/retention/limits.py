"""How far each topic may be deleted: what has been kept long enough, and is done with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.ledger.retention.announced import announced
from services.runtime.clients.log import Log
from services.runtime.topology import Topology

TIME = "time"


class Offsets(Protocol):
    """What is asked of the cluster; see Admin."""

    def committed(self, group: str) -> Mapping[tuple[str, int], int]:
        """(topic, partition) -> offset."""

    def topic_ids(self) -> Mapping[str, str]:
        """By name."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A partition. start: where its log begins; until: where it may begin; end: that of what is committed.

    keep: seconds. held_by: whose offset `until` is: a service's, or TIME where no message is old enough.
    """

    topic: str
    partition: int
    keep: float
    start: int
    until: int
    end: int
    held_by: str


def limits(
    admin: Offsets, log: Log, topology: Topology, keep: Mapping[str, float], now: float
) -> Iterator[Limit]:
    """Of every topic that is not kept for good, in the order of the table.

    Offsets and announcements are asked for first and only ever grow: what is found out is never too much.
    A reader without an offset has read nothing. now: Unix seconds. Raises DependencyDown.
    """
    committed = {s.name: admin.committed(s.name) for s in topology.services.values() if s.inputs}
    said = announced(log, topology, admin.topic_ids())
    readers = _readers(topology)
    there = log.topics()
    for topic, seconds in keep.items():
        if math.isinf(seconds) or topic not in there:
            continue
        old = log.since([topic], int((now - seconds) * 1000))
        ends, starts = log.ends([topic]), log.starts([topic])  # of old's partitions, and perhaps of new ones
        own = {name: committed[name] for name in readers.get(topic, ())}
        for place, young in sorted(old.items()):
            start = starts[place]
            bounds = [(young, TIME)]
            bounds += [(offsets.get(place, 0), name) for name, offsets in own.items()]
            bounds += [(offsets[place], name) for name, offsets in said.items() if place in offsets]
            least, held_by = min(bounds, key=lambda bound: bound[0])
            until = max(start, min(least, ends[place]))
            yield Limit(*place, seconds, start, until, ends[place], held_by)


def _readers(topology: Topology) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for service in topology.services.values():
        for topic in (name for pattern in service.inputs for name in topology.expand(pattern)):
            found.setdefault(topic, []).append(service.name)
    return found
