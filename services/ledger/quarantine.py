"""Tells every lane that documents must not be mixed any more; pools are made to forget some wholly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts import Control, Forget, Quarantine
from services.runtime import Settings
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce, say
from services.runtime.topics import CONTROL, DEAD_LETTER_SUFFIX, LANE_STATE, POOL

_BATCH = 1000  # documents in one transaction
_OTHERS = (CONTROL, LANE_STATE)  # that begin like a pool


def quarantine(settings: Settings, uids: Sequence[int], why: str) -> None:
    """From the next step of each mixer on these documents are dropped as `quarantined`, with this detail.

    To all lanes, since which one holds a document depends on how many there were when it came. Said twice
    it changes nothing; the first reason stands. Raises DependencyDown, Fenced.
    """
    _tell(settings, uids, lambda uid: Control(quarantine=Quarantine(uid=uid, why=why)), [])


def forget(settings: Settings, uids: Sequence[int], why: str) -> None:
    """As quarantine, as `forgotten`; and a tombstone in each pool erases them when it is compacted.

    Raises DependencyDown, Fenced.
    """
    with Log(settings) as log:
        pools = sorted(
            name
            for name in log.topics()
            if name.startswith(POOL) and name not in _OTHERS and not name.endswith(DEAD_LETTER_SUFFIX)
        )
    _tell(settings, uids, lambda uid: Control(forget=Forget(uid=uid, why=why)), pools)


def _tell(
    settings: Settings, uids: Sequence[int], told: Callable[[int], Control], pools: Sequence[str]
) -> None:
    for start in range(0, len(uids), _BATCH):
        outputs = [
            Produce(topic, value, key=uid.to_bytes(8, "big"), partition=lane)
            for uid in uids[start : start + _BATCH]
            for lane in range(settings.lanes)
            for topic, value in [(CONTROL, told(uid).SerializeToString()), *((pool, None) for pool in pools)]
        ]
        say(settings, "quarantine", outputs)
