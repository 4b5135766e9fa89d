"""The river at a glance, from offsets and tallies: cheap however large the corpus is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from services.ledger.account import Marks, of_every_recipe
from services.ledger.kept import Kept
from services.ledger.letters import redriven_at
from services.ledger.proof import require_tallies
from services.ledger.tallied import Tallied
from services.runtime import ObjectStore, Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topics import POOL, REJECTED, TALLY
from services.runtime.topology import Topology

_EXACT = 10_000  # up to so many messages are counted one by one


@dataclass(frozen=True)
class Status:
    """waiting: messages before each service. pools: of them, those before the mixer, by bucket.
    came: documents. tokens: in parts, by bucket; used_again: further uses in them. dropped: by unit and
    reason, without those that were put back; languages, categories: documents that were dropped or put into
    parts. dead: dead letters, pieces of input included; redriven: of them, those that were put back.

    A number of messages above _EXACT is that of offsets, which the markers of transactions take too.
    """

    waiting: dict[str, int]
    pools: dict[str, int]
    tokens: Counter[str]
    num_parts: int
    came: int
    in_parts: int
    used_again: int
    dropped: Counter[tuple[str, str]]
    languages: Counter[str]
    categories: Counter[str]
    dead: int
    redriven: int


def status(settings: Settings, topology: Topology) -> Status:
    """Raises DependencyDown."""
    waiting: dict[str, int] = {}
    pools: dict[str, int] = {}
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
        tallied = _tallied(log, Resources(settings).store, admin.topic_ids())
        redriven = sum(not place.startswith(f"{REJECTED}/") for place in redriven_at(log))
    return _status(tallied, waiting, pools, redriven)


def _tallied(log: Log, store: ObjectStore, topic_ids: Mapping[str, str]) -> Tallied:
    """Up to now, and kept for the next who asks; the records of parts are left for `reconcile` to read."""
    require_tallies(log)
    kept, ends = Kept(store, topic_ids), log.settled_ends([TALLY])
    tallied = kept.load(ends)
    begun = dict(tallied.offsets)
    tallied.read(log, ends)
    if tallied.offsets != begun:
        kept.keep(tallied)
    return tallied


def _status(tallied: Tallied, waiting: dict[str, int], pools: dict[str, int], redriven: int) -> Status:
    tokens, languages, categories = Counter[str](), Counter[str](), Counter[str]()
    for group, number in tallied.documents.items():
        if group.outcome in {"PART", "AGAIN"}:
            tokens[group.bucket] += tallied.tokens[group]
        if group.outcome in {"PART", "DROPPED"}:
            languages[group.language] += number
            categories[group.category] += number
    dropped = Counter(
        {(unit, why): n for (outcome, unit, why), n in tallied.counts.items() if outcome == "DROPPED"}
    )
    dropped -= Counter(tallied.rejudged)
    of = tallied.number
    return Status(
        waiting=waiting,
        pools=pools,
        tokens=tokens,
        num_parts=tallied.num_parts,
        came=of("CAME"),
        in_parts=of("PART"),
        used_again=of("AGAIN"),
        dropped=dropped,
        languages=languages,
        categories=categories,
        dead=of("DEAD") + of("UNREADABLE"),
        redriven=redriven,
    )


def _count(log: Log, topic: str, since: Marks) -> int:
    ranges = {tp: (since.get(tp, 0), end) for tp, end in log.settled_ends([topic]).items()}
    num_offsets = sum(end - start for start, end in ranges.values())
    return num_offsets if num_offsets > _EXACT else sum(1 for _ in log.read(ranges))
