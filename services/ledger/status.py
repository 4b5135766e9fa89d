"""The river at a glance, from offsets and announcements: cheap however large the corpus is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from contracts import PartSealed
from services.ledger.account import Marks, of_every_recipe
from services.ledger.letters import redriven_at
from services.runtime import Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topics import DEAD_LETTER_SUFFIX, POOL, REJECTED, SEALED
from services.runtime.topology import Topology

_EXACT = 10_000  # up to so many messages are counted one by one


@dataclass(frozen=True)
class Status:
    """waiting: messages before each service. pools: of them, those before the mixer, by bucket.
    dead: dead letters; redriven: of them, those that were put back.

    A number above _EXACT is that of offsets, which the markers of transactions take too.
    """

    waiting: dict[str, int]
    pools: dict[str, int]
    tokens: Counter[str]
    num_parts: int
    rejected: int
    dead: int
    redriven: int


def status(settings: Settings, topology: Topology) -> Status:
    """Raises DependencyDown."""
    waiting: dict[str, int] = {}
    pools: dict[str, int] = {}
    tokens: Counter[str] = Counter()
    num_parts = 0
    with Admin(settings) as admin, Log(settings) as log:
        topology = of_every_recipe(topology, log)
        for service in topology.services.values():
            if not service.inputs:
                continue
            committed = admin.committed(service.name)
            inputs = [name for topic in service.inputs for name in topology.expand(topic)]
            before = {topic: _count(log, topic, committed) for topic in inputs}
            waiting[service.name] = sum(before.values())
            if service.watches:
                continue  # it stands elsewhere in the pools than the mixer
            pools |= {b: before[POOL + b] for b in topology.buckets if POOL + b in before}
        for record in log.read_all(SEALED):
            part = PartSealed.FromString(record.value)
            num_parts += 1
            tokens.update(dict(part.bucket_tokens))
        rejected = _count(log, REJECTED, {})
        dead_topics = [topic for topic in topology.topics() if topic.endswith(DEAD_LETTER_SUFFIX)]
        dead = sum(_count(log, topic, {}) for topic in dead_topics)
        redriven = len(redriven_at(log))
    return Status(waiting, pools, tokens, num_parts, rejected, dead, redriven)


def _count(log: Log, topic: str, since: Marks) -> int:
    ranges = {tp: (since.get(tp, 0), end) for tp, end in log.settled_ends([topic]).items()}
    num_offsets = sum(end - start for start, end in ranges.values())
    return num_offsets if num_offsets > _EXACT else sum(1 for _ in log.read(ranges))
