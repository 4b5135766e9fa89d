"""Proves from tallies that every document is accounted for; it costs what is new and what waits, and no more.

    what came = what was dropped + dead letters + what is in parts + what is under way

in number and sum of uids, in each of 1,024 ranges. A range in which it holds is proven. In one in which it
does not a document may have moved while the river was looked at: it is looked at again, up to a few seconds,
and only what stays wrong while nothing in it moves is reported, with the ids (astray.py).

Not proven, and left to `--thorough`, which holds every id in memory: that a document all of whose copies were
dropped as copies had an original, and that no further use of a document stands in two parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.ledger.account import of_every_recipe
from services.ledger.astray import astray, named
from services.ledger.kept import Kept
from services.ledger.moment import Groups, Moment, UnderWay, look, moved, under_way
from services.ledger.reconcile import Discrepancies
from services.ledger.sums import RANGES, InRanges, Sums, range_of
from services.ledger.tallied import READ_AGAIN, Tallied
from services.runtime import ConfigurationError, ObjectStore, Resources, Settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.topics import TALLY
from services.runtime.topology import Topology

# Looks. A commit reaches its partitions one after another: one look may err where nothing seems to move.
_LEAST, _MOST = 3, 20
_PAUSE_S = 0.5


@dataclass(frozen=True)
class Proof:
    """found: what is wrong, with its ids. unread_ranges: further ones that are wrong, and were not searched.

    undecided: ranges in which documents moved at every look. absent: parts without their records.
    """

    tallied: Tallied
    under_way: UnderWay
    found: Discrepancies
    unread_ranges: int = 0
    undecided: int = 0

    @property
    def absent(self) -> list[str]:
        """Parts that were announced and have no records in the store."""
        return self.tallied.absent

    def __bool__(self) -> bool:
        """Everything is accounted for."""
        return not (self.found or self.unread_ranges or self.undecided or self.absent)


def prove(settings: Settings, topology: Topology) -> Proof:
    """Raises ConfigurationError: no tallies, or some are gone; DependencyDown."""
    with Admin(settings) as admin, Log(settings) as log:
        return prove_by(admin, log, Resources(settings).store, of_every_recipe(topology, log))


def prove_by(
    groups: Groups,
    log: Log,
    store: ObjectStore,
    topology: Topology,
    pause: Callable[[float], None] = time.sleep,
) -> Proof:
    """As prove, by these clients."""
    require_tallies(log)
    kept = Kept(store, groups.topic_ids())
    tallied = kept.load(log.settled_ends([TALLY]))
    begun = dict(tallied.offsets)
    wrong: InRanges = np.ones(RANGES, np.bool_)
    for attempt in range(1, _MOST + 1):
        at = _Look.take(groups, log, store, topology, tallied)
        wrong &= at.differing
        if not wrong.any() or (attempt >= _LEAST and not (wrong & at.moving).any()):
            break
        pause(_PAUSE_S)
    undecided = wrong & at.moving
    sought = _bounded(wrong & ~undecided, tallied)
    found, gone = Discrepancies(), None
    if sought.any():
        gone = astray(log, store, at.moment, at.under_way, sought)
        tallied.sums[READ_AGAIN].add(gone.read_again)
        found = named(log, topology, gone)
    if tallied.offsets != begun or (gone is not None and len(gone.read_again)):
        kept.keep(tallied)
    unread = int(wrong.sum() - undecided.sum() - sought.sum())
    return Proof(tallied, at.under_way, found, unread, int(undecided.sum()))


@dataclass(frozen=True)
class _Look:
    """differing: ranges in which it does not add up. moving: those in which something moved meanwhile."""

    moment: Moment
    under_way: UnderWay
    differing: InRanges
    moving: InRanges

    @classmethod
    def take(
        cls, groups: Groups, log: Log, store: ObjectStore, topology: Topology, tallied: Tallied
    ) -> _Look:
        """Look twice, and add up as of the first: what is read after does not change any more."""
        before, after = look(groups, log, topology), look(groups, log, topology)
        tallied.read(log, before.tallies)
        tallied.read_parts(store)
        waiting, sums = under_way(before, log, topology), Sums()
        sums.add(waiting.in_flight)
        sums.add(waiting.waiting)
        differing = np.logical_or.reduce([balance.nonzero for balance in tallied.balances(sums)])
        moving = np.zeros(RANGES, np.bool_)
        moving[range_of(moved(before, after, log))] = True
        return cls(before, waiting, differing, moving)


_SOUGHT = 1_000_000  # documents whose ids are held at a time, some 100 MB


def _bounded(wrong: InRanges, tallied: Tallied) -> InRanges:
    """As many ranges as memory allows, one at least."""
    held = np.cumsum(np.where(wrong, tallied.sums["CAME"].number, 0))
    first = np.cumsum(wrong) == 1
    return np.asarray(wrong & ((held <= _SOUGHT) | first))


def require_tallies(log: Log) -> None:
    """Raises ConfigurationError."""
    if TALLY not in log.topics():
        raise ConfigurationError(
            f"there is no topic {TALLY}: this river is older than its tallies, or none. "
            "`corpusworks reconcile --thorough` reads every document instead"
        )
