"""The ids behind ranges that do not add up: every tally is read again, and of it the uids in those ranges.

What was set back (`corpusworks offsets mend`) is read again, and ends again as a copy of itself: more ends
than came, and nothing wrong. Such uids are told apart, so that they need not be sought every time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from contracts import Rejection, Tally
from services.ledger.account import documents_of
from services.ledger.moment import Moment, UnderWay
from services.ledger.part_uids import uids_in_part
from services.ledger.reconcile import ALREADY_SEEN, Discrepancies
from services.ledger.sums import NO_UIDS, InRanges, Uids, range_of, uids_of
from services.ledger.tallied import tallies, told_uids
from services.runtime import ConfigurationError, ObjectStore
from services.runtime.clients.log import Log
from services.runtime.topics import DEAD_LETTER_SUFFIX, RAW, REJECTED, TALLY
from services.runtime.topology import Topology

# By outcome: in which of the laws of Tallied.balances, and on which side of it.
_SIDES = {
    Tally.CAME: [(0, 1)],
    Tally.REVIVED: [(0, 1)],
    Tally.RESUMED: [(0, 1)],
    Tally.DROPPED: [(0, -1)],
    Tally.DEAD: [(0, -1)],
    Tally.ASIDE: [(0, -1)],
    Tally.PART: [(0, -1), (1, 1)],
    Tally.AGAIN: [(2, 1)],
}


@dataclass(frozen=True)
class Astray:
    """missing, twice: uids. read_again: those that ended as copies of themselves, as often as they did."""

    missing: frozenset[int]
    twice: frozenset[int]
    read_again: Uids


def astray(log: Log, store: ObjectStore, moment: Moment, under_way: UnderWay, ranges: InRanges) -> Astray:
    """Of the documents in these ranges, at this moment. Time follows the corpus, memory the ranges.

    Raises ConfigurationError where the oldest tallies are gone, DependencyDown.
    """
    laws, copies = [_Law(ranges) for _ in range(3)], _Law(ranges)
    starts = log.starts([TALLY])
    if any(starts.values()):
        raise ConfigurationError(
            f"{int(ranges.sum())} of {len(ranges)} ranges do not add up, and the tallies that would tell the "
            "ids are gone from Kafka: `corpusworks reconcile --thorough` reads every document instead"
        )
    for entry in tallies(log, {tp: (starts.get(tp, 0), end) for tp, end in moment.tallies.items()}):
        uids = told_uids(entry)
        for law, side in _SIDES.get(entry.outcome, ()):
            laws[law].put(uids, side)
        if entry.outcome == Tally.ANNOUNCED:
            for law, found in zip((1, 2), _stored(store, entry.part), strict=True):
                laws[law].put(found, -1)
        if entry.outcome == Tally.DROPPED and (entry.unit, entry.reason) in ALREADY_SEEN:
            copies.put(uids, 1)
    laws[0].put(under_way.in_flight, -1)
    laws[0].put(under_way.waiting, -1)
    return _told_apart([law.balance() for law in laws], copies.balance())


def _told_apart(balances: list[dict[int, int]], copies: dict[int, int]) -> Astray:
    ends, *stored = balances
    again = {uid: -n for uid, n in ends.items() if n < 0 and copies.get(uid, 0) >= -n}
    balances = [{uid: n for uid, n in ends.items() if uid not in again}, *stored]
    return Astray(
        missing=frozenset(uid for each in balances for uid, n in each.items() if n > 0),
        twice=frozenset(uid for each in balances for uid, n in each.items() if n < 0),
        read_again=uids_of(uid for uid, n in again.items() for _ in range(n)),
    )


def named(log: Log, topology: Topology, found: Astray) -> Discrepancies:
    """With the ids of their owners, as far as topics have them."""
    names = _names(log, topology, found.missing | found.twice)
    missing, twice = (
        {uid: names.get(uid, "") for uid in sorted(uids)} for uids in (found.missing, found.twice)
    )
    return Discrepancies(missing, twice)


class _Law:
    """Two sides that must be the same multiset."""

    def __init__(self, ranges: InRanges) -> None:
        self._ranges = ranges
        self._uids: list[Uids] = [NO_UIDS]
        self._sides: list[int] = [1]

    def put(self, uids: Uids, side: int) -> None:
        self._uids.append(uids[self._ranges[range_of(uids)]])
        self._sides.append(side)

    def balance(self) -> dict[int, int]:
        """How many more there are of each on the left; those of which there are as many are left out."""
        uids = np.concatenate(self._uids)
        sides = np.repeat(np.array(self._sides, np.int64), [len(each) for each in self._uids])
        order = np.argsort(uids)
        known, first = np.unique(uids[order], return_index=True)
        found = np.add.reduceat(sides[order], first) if len(known) else np.empty(0, np.int64)
        off = found != 0
        return dict(zip(known[off].tolist(), found[off].tolist(), strict=True))


def _stored(store: ObjectStore, name: str) -> tuple[Uids, Uids]:
    try:
        return uids_in_part(store, name)
    except FileNotFoundError:
        return NO_UIDS, NO_UIDS


def _names(log: Log, topology: Topology, uids: Iterable[int]) -> dict[int, str]:
    """Where they came in, or where they were dropped or died."""
    wanted, found = set(uids), dict[int, str]()
    dead = [topic for topic in topology.topics() if topic.endswith(DEAD_LETTER_SUFFIX)]
    for topic in [RAW, REJECTED, *dead]:
        for record in log.read_all(topic) if wanted - found.keys() else ():
            if topic == REJECTED:
                document = Rejection.FromString(record.value).document
                found |= {document.uid: document.id} if document.uid in wanted else {}
            else:
                found |= {d.uid: d.id for d in documents_of(iter([record])) if d.uid in wanted}
            if len(found) == len(wanted):
                break
    return found
