"""Where it lies what is known of the groups: one place for all replicas (redis_store.py), or this process.

Beside a group's state it is remembered of each document whether it was kept. Thresholds move, so a document
that comes again would else be kept once and dropped once; as it is, redelivery changes nothing, and a batch
that is judged again after a crash goes into no sketch twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from services.scorer.group import Group, Ranked, State

Fates = Sequence[bool | None]  # for each document whether it was kept, None at first sight
# The state after a batch, and what came of it. May be asked again when another replica wrote meanwhile.
Change = Callable[[Group, State | None, Fates], tuple[State, Ranked]]


class Store(Protocol):
    """The states of all groups, and the fates of their documents."""

    def update(self, batch: Mapping[Group, Sequence[int]], change: Change) -> dict[Group, Ranked]:
        """Put the changed states of these groups in place of the old, and remember who is kept, all together.

        batch: the uids of each group's documents, in the order of `Ranked`; none where fates need no
        memory, since nothing is ever dropped there: then the change is given no fates. Raises DependencyDown.
        """


class MemoryStore:
    """For one process and one run."""

    def __init__(self) -> None:
        self._states: dict[Group, State] = {}
        self._fates: dict[int, bool] = {}

    def update(self, batch: Mapping[Group, Sequence[int]], change: Change) -> dict[Group, Ranked]:
        """As Store."""
        found = {}
        for group, uids in batch.items():
            fates = [self._fates.get(uid) for uid in uids]
            self._states[group], found[group] = change(group, self._states.get(group), fates)
            if uids:
                for uid, kept in zip(uids, found[group].kept.tolist(), strict=True):
                    self._fates.setdefault(uid, kept)
        return found
