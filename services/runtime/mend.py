"""The way out when offsets are lost: where each group stands, and the nearest right offset.

A unit may read messages again: dedup, which comes last, knows what it has seen, and so does the catalog.
Mixer and sink may not; their own logs say how far they came (`LaneService.reached`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.contracts.lane import LaneService, Message
from services.runtime.errors import ConfigurationError
from services.runtime.loops.offsets import Cursor, first_start, read_starts
from services.runtime.loops.transaction import say
from services.runtime.settings import Settings
from services.runtime.topology import Service, Topology

_MARGIN_S = 5.0  # past the session timeout, in which a member that stopped is still waited for


@dataclass(frozen=True, slots=True)
class Mended:
    """cursor: as it was. offset: where the group goes on now. said: what that loses or does again."""

    cursor: Cursor
    offset: int
    said: str


def survey(settings: Settings, topology: Topology) -> list[Cursor]:
    """Every partition that a group has begun to read, in the order of the river. Raises DependencyDown."""
    with Admin(settings) as admin, Log(settings) as log:
        return [c for service in topology.services.values() for c in _cursors(service, topology, admin, log)]


def mend(settings: Settings, topology: Topology, groups: Sequence[str]) -> list[Mended]:
    """Set what is broken anew; groups: only of these services, or of all.

    Raises ConfigurationError: a service that runs, or none of that name; DependencyDown.
    """
    services = [topology.service(name) for name in groups or topology.services]
    found: list[Mended] = []
    with Admin(settings) as admin, Log(settings) as log:
        for service in services:
            broken = [c for c in _cursors(service, topology, admin, log) if c.trouble]
            if broken:
                found += _mend(settings, topology, service, broken, admin=admin, log=log)
    return found


def _cursors(service: Service, topology: Topology, admin: Admin, log: Log) -> Iterator[Cursor]:
    topics = [name for topic in service.inputs for name in topology.expand(topic)]
    committed = admin.committed(service.name)
    ids, begun = admin.topic_ids(), read_starts(log)
    starts, ends = log.starts(topics), log.settled_ends(topics)
    for (topic, partition), start in sorted(starts.items(), key=lambda at: (topics.index(at[0][0]), at[0])):
        offset = committed.get((topic, partition))
        began = begun.get((service.name, topic, partition), "")
        if began or offset is not None:
            end = ends[topic, partition]
            yield Cursor(service.name, topic, partition, ids[topic], began, offset, start, end)


def _mend(
    settings: Settings,
    topology: Topology,
    service: Service,
    broken: Sequence[Cursor],
    *,
    admin: Admin,
    log: Log,
) -> list[Mended]:
    definition = service.definition
    reached: dict[int, Mapping[str, int]] = {}
    if isinstance(definition, LaneService):
        lanes = {c.partition for c in broken}
        ids = admin.topic_ids()
        reached = {lane: definition.reached(_said(definition, topology, log, lane), ids) for lane in lanes}
    mended = [_mended(c, reached.get(c.partition, {}).get(c.topic)) for c in broken]
    _set(settings, admin, service.name, {(m.cursor.topic, m.cursor.partition): m.offset for m in mended})
    say(settings, "mend", [first_start(replace(m.cursor, began="")) for m in mended])
    return mended


def _mended(cursor: Cursor, reached: int | None) -> Mended:
    start, end, offset = cursor.start, cursor.end, cursor.committed
    if cursor.remade:
        return Mended(cursor, start, f"the new topic is read from its beginning: {end - start} messages")
    if offset is None and reached is not None:
        reached = min(max(start, reached), end)
        return Mended(cursor, reached, "goes on where its own log says that it was; nothing is read again")
    if offset is None:
        return Mended(cursor, start, f"up to {end - start} messages are read again; what was done is known")
    if offset < start:
        return Mended(cursor, start, f"{start - offset} messages are lost: they were deleted before it read")
    return Mended(cursor, end, f"goes on at the end of the log, which has lost {offset - end} messages")


def _said(service: LaneService, topology: Topology, log: Log, lane: int) -> list[Message]:
    """The last of its tails, and the service's logs of one lane, oldest first."""
    tails = [r for topic in service.tails if (r := log.last(topic, lane)) is not None]
    starts = {tp: start for tp, start in log.starts(service.logs).items() if tp[1] == lane}
    ends = log.settled_ends(service.logs)
    return [
        Message(
            r.topic, r.partition, r.offset, r.key, topology.holds(r.topic).FromString(r.value), r.timestamp
        )
        for r in [*tails, *log.read({tp: (start, ends[tp]) for tp, start in starts.items()})]
        if r.value is not None
    ]


def _set(settings: Settings, admin: Admin, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
    deadline = time.monotonic() + settings.kafka.session_timeout_s + _MARGIN_S
    while not admin.set_offsets(group, offsets):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"{group} is running: stop every copy of it, mend, and start it again")
        time.sleep(0.5)
