"""Tells every lane that documents must not be mixed any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts import Control, Quarantine
from services.runtime import Settings
from services.runtime.loops.transaction import Produce, say
from services.runtime.topics import CONTROL

_BATCH = 1000  # documents in one transaction


def quarantine(settings: Settings, uids: Sequence[int], why: str) -> None:
    """From the next step of each mixer on these documents are dropped as `quarantined`, with this detail.

    To all lanes, since which one holds a document depends on how many there were when it came. Said twice
    it changes nothing; the first reason stands. Raises DependencyDown, Fenced.
    """
    for start in range(0, len(uids), _BATCH):
        say(settings, "quarantine", list(_told(uids[start : start + _BATCH], why, settings.lanes)))


def _told(uids: Sequence[int], why: str, lanes: int) -> Iterator[Produce]:
    for uid in uids:
        value = Control(quarantine=Quarantine(uid=uid, why=why)).SerializeToString()
        for lane in range(lanes):
            yield Produce(CONTROL, value, key=uid.to_bytes(8, "big"), partition=lane)
