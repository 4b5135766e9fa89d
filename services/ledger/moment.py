"""A moment of a river that runs: where every group stands, and where every topic that matters ends.

It cannot be taken in one step. So it is taken twice: what was committed in between shows in a difference of
the two, and only the documents in that difference may be counted wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from contracts import Document, Tally
from services.ledger.account import documents_of, without_end
from services.ledger.sums import NO_UIDS, Uids, uids_of
from services.ledger.tallied import Ends, told_uids
from services.runtime import LaneService
from services.runtime.clients.log import Log
from services.runtime.topics import TALLY
from services.runtime.topology import Service, Topology

Stretches = dict[tuple[str, int], tuple[int, int]]  # (topic, partition) -> first offset, end


class Groups(Protocol):
    """What is asked of the cluster; see Admin."""

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset of the next message the group will read."""

    def topic_ids(self) -> dict[str, str]:
        """Kafka's id of every topic there is, by name."""


@dataclass(frozen=True)
class Moment:
    """committed: of each carrier, by (topic, partition). ends: of their inputs and of river.tally."""

    committed: Mapping[str, Mapping[tuple[str, int], int]]
    ends: Mapping[tuple[str, int], int]

    @property
    def tallies(self) -> Ends:
        """The ends of river.tally."""
        return {tp: end for tp, end in self.ends.items() if tp[0] == TALLY}

    def waiting(self, service: Service, topology: Topology) -> dict[tuple[str, int], tuple[int, int]]:
        """What the service has not done yet, by (topic, partition)."""
        committed = self.committed[service.name]
        inputs = document_inputs(service, topology)
        return {tp: (committed.get(tp, 0), end) for tp, end in self.ends.items() if tp[0] in inputs}


def look(groups: Groups, log: Log, topology: Topology) -> Moment:
    """The river as it is now, nearly. Raises DependencyDown."""
    carriers = topology.carriers
    committed = {service.name: groups.committed(service.name) for service in carriers}
    inputs = sorted({topic for service in carriers for topic in document_inputs(service, topology)})
    return Moment(committed, log.settled_ends([*inputs, TALLY]))


def document_inputs(service: Service, topology: Topology) -> list[str]:
    """Topics from which it takes documents."""
    inputs = [name for topic in service.inputs for name in topology.expand(topic)]
    return [topic for topic in inputs if topology.holds(topic) is Document]


@dataclass(frozen=True)
class UnderWay:
    """Uids of documents that have no end yet: in_flight before the pools, waiting behind."""

    in_flight: Uids
    waiting: Uids


def under_way(moment: Moment, log: Log, topology: Topology) -> UnderWay:
    """Reads the backlog. 8 bytes of memory a document. Raises DependencyDown."""
    in_flight, waiting = [NO_UIDS], [NO_UIDS]
    for service in topology.carriers:
        found = in_flight if not isinstance(service.definition, LaneService) else waiting
        found.append(_without_end(log.read(moment.waiting(service, topology))))
    return UnderWay(_joined(in_flight), _joined(waiting))


def moved(before: Moment, after: Moment, log: Log) -> Uids:
    """Of the documents that went anywhere between two looks, and of those that came or ended there."""
    found = [NO_UIDS]
    for stretches in _between(before, after):
        for record in log.read(stretches):
            if record.topic == TALLY:
                found += map(told_uids, Tally.FromString(record.value or b"").entries)
            else:
                found.append(uids_of(document.uid for document in documents_of(iter([record]))))
    return _joined(found)


def _between(before: Moment, after: Moment) -> Iterator[Stretches]:
    for group, committed in after.committed.items():
        starts = before.committed[group]
        yield {tp: (starts.get(tp, 0), end) for tp, end in committed.items() if tp in after.ends}
    yield {tp: (before.ends.get(tp, 0), end) for tp, end in after.ends.items()}


def _without_end(records: Iterator[Any]) -> Uids:
    """A further use is under way to no end: the document has one."""
    return uids_of(document.uid for record in records for document in without_end(record))


def _joined(found: list[Uids]) -> Uids:
    return np.concatenate(found)
