"""What all processes of a river must have alike, and what of it may change while the river stands.

Who makes the topics (`corpusworks topics`, `run`, `up`) records the values in river.agreed and takes over the
changes that are supported; every other process compares its own at start, and does not run with others.

    lanes          more: every topic by lanes gets partitions. Fewer: refused, since what waits in a lane that
                   nobody holds waits for ever. Their history is kept ("2,4"): a document lies in lane
                   uid % n for the n of its time, and a retraction must reach it there
    buckets        new ones: their topics are made. One that is gone: only when its pool is empty
    vocabulary     another: only while no pool holds anything, since a part never mixes two
    partitions, messages, dedup layout     refused
    anything else (recipe, calibration)    taken over
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from contracts import Agreement
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.contracts.source import Source
from services.runtime.contracts.unit import configure
from services.runtime.errors import ConfigurationError
from services.runtime.loops.transaction import Produce, say
from services.runtime.settings import Settings
from services.runtime.topics import AGREED, POOL
from services.runtime.topology import Service, Topology

MESSAGES = "3"  # version of the messages on the topics

_LANES, _BUCKETS = "lanes", "buckets"
_FIXED = {  # what to do, where a value cannot be changed
    "partitions": "set CORPUSWORKS_PARTITIONS to what it was, or begin a new river",
    "messages": "this version cannot read those messages: use the one that wrote them, or begin a new river",
    "dedup layout": "set the dedup unit as it was, or make its index anew: `corpusworks dedup rebuild`",
}
_SEVERAL = "set the vocabulary as it was, or begin a new river: the pools hold documents tokenised with it"


@dataclass(frozen=True, slots=True)
class Pools:
    """Buckets by what their pools hold. full: anything at all; waiting: what the mixer has not taken."""

    full: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()


def values(services: Collection[Service], settings: Settings, topology: Topology) -> dict[str, str]:
    """What this process has. Raises ConfigurationError: a setting of a unit is wrong."""
    found = {
        _LANES: str(settings.lanes),
        "partitions": str(settings.partitions),
        _BUCKETS: ",".join(sorted(topology.buckets)),
        "messages": MESSAGES,
    }
    for service in services:
        definition = service.definition
        if not isinstance(definition, Source):
            config = configure(service.name, definition.config, settings.units.get(service.name, {}))
            found |= definition.agrees(config, settings)
    return found


def read(log: Log) -> dict[str, str]:
    """What stands; nothing on a river that was never made."""
    if AGREED not in log.topics():
        return {}
    said = [Agreement.FromString(r.value) for r in log.read_all(AGREED) if r.value is not None]
    return {agreement.name: agreement.value for agreement in said}


def lanes_ever(stands: Mapping[str, str]) -> tuple[int, ...]:
    """Every number of lanes that the river ever had, oldest first."""
    return tuple(int(number) for number in stands.get(_LANES, "").split(",") if number)


def changes(stands: Mapping[str, str], wanted: Mapping[str, str], pools: Pools) -> dict[str, str]:
    """What is to be recorded. Raises ConfigurationError: a change that is not supported, with what to do."""
    found: dict[str, str] = {}
    for name, value in wanted.items():
        former = stands.get(name)
        if former is None or name == _LANES:
            continue
        if former != value and (why := _refusal(name, former, value, pools)):
            raise ConfigurationError(f"{name} is {value} here and {former} in the river: {why}")
    found = {name: value for name, value in wanted.items() if name != _LANES and stands.get(name) != value}
    ever, lanes = lanes_ever(stands), int(wanted[_LANES])
    if ever and lanes < ever[-1]:
        raise ConfigurationError(
            f"lanes is {lanes} here and {ever[-1]} in the river: what waits in the others would wait "
            f"for nobody. Set CORPUSWORKS_LANES to {ever[-1]} or more"
        )
    if not ever or lanes > ever[-1]:
        found[_LANES] = ",".join(map(str, [*ever, lanes]))
    return found


def _refusal(name: str, former: str, value: str, pools: Pools) -> str:
    if name == _BUCKETS:
        gone = set(former.split(",")) - set(value.split(","))
        waiting = ", ".join(sorted(gone & pools.waiting))
        return f"documents wait in the pool of {waiting}: keep the bucket until they are mixed" * bool(
            waiting
        )
    if name == "vocabulary":
        return _SEVERAL if pools.full else ""
    return _FIXED.get(name, "")


def compare(stands: Mapping[str, str], mine: Mapping[str, str]) -> None:
    """At the start of a process. Raises ConfigurationError naming the first value that differs."""
    for name, value in mine.items():
        former = stands.get(name)
        if former is None:
            continue
        if name == _LANES:
            former = former.rpartition(",")[2]
        if former != value:
            way = (
                "set it as it is there"
                if name in _FIXED
                else ("set it as it is there, or run `corpusworks topics` with the new settings first")
            )
            raise ConfigurationError(f"{name} is {value} here and {former} in the river: {way}")


def make(settings: Settings, topology: Topology) -> None:
    """Make the topics of the river, or take over what has changed.

    Raises ConfigurationError: a change that is not supported; DependencyDown.
    """
    wanted = values([s for s in topology.services.values() if s.run], settings, topology)
    with Admin(settings) as admin, Log(settings) as log:
        stands = read(log)
        found = changes(stands, wanted, _pools(admin, log, stands.get(_BUCKETS, "")))
        admin.create_topics(topology.topics().values())
        _record(settings, found)  # before there are new lanes, so that who fills them finds it
        admin.grow_topics(topology.topics().values())


def check(names: Sequence[str], settings: Settings, topology: Topology) -> tuple[int, ...]:
    """Compare what these services have with what stands; the numbers of lanes that the river ever had.

    Raises ConfigurationError, DependencyDown.
    """
    with Log(settings) as log:
        stands = read(log)
    compare(stands, values([topology.service(name) for name in names], settings, topology))
    return lanes_ever(stands) or (settings.lanes,)


def _pools(admin: Admin, log: Log, buckets: str) -> Pools:
    full, waiting = set(), set()
    committed = admin.committed("mixer") if buckets else {}
    for bucket in filter(None, buckets.split(",")):
        starts, ends = log.starts([POOL + bucket]), log.settled_ends([POOL + bucket])
        if _any(log, {tp: (start, ends[tp]) for tp, start in starts.items()}):
            full.add(bucket)
            if _any(log, {tp: (committed.get(tp, start), ends[tp]) for tp, start in starts.items()}):
                waiting.add(bucket)
    return Pools(frozenset(full), frozenset(waiting))


def _any(log: Log, ranges: Mapping[tuple[str, int], tuple[int, int]]) -> bool:
    return next(log.read(ranges), None) is not None


def _record(settings: Settings, found: Mapping[str, str]) -> None:
    if not found:
        return
    now = int(time.time() * 1000)
    said = [Agreement(name=name, value=value, agreed_ms=now) for name, value in found.items()]
    say(settings, "agree", [Produce(AGREED, a.SerializeToString(), a.name.encode()) for a in said])
