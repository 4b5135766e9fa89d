"""Messages that end a run: what waits is mixed and sealed, and the archive written."""

from __future__ import annotations

from collections.abc import Collection

from contracts import Control, Flush
from services.runtime import Settings
from services.runtime.loops.transaction import Produce
from services.runtime.topics import ARCHIVE_FLUSH, CONTROL, USES_FLUSH
from services.runtime.topology import Topology


def lane_flushes(run: str, settings: Settings) -> list[Produce]:
    """What asks every lane to mix what waits and to seal."""
    told = Control(flush=Flush(run=run)).SerializeToString()
    return [Produce(CONTROL, told, partition=lane) for lane in range(settings.lanes)]


def archive_flushes(
    run: str, settings: Settings, topology: Topology, topics: Collection[str] = (ARCHIVE_FLUSH, USES_FLUSH)
) -> list[Produce]:
    """What asks the archive to write all that it holds; nothing where the table has none."""
    known, told = topology.topics(), Flush(run=run).SerializeToString()
    numbers = {ARCHIVE_FLUSH: settings.partitions, USES_FLUSH: settings.lanes}
    return [
        Produce(topic, told, partition=n)
        for topic, number in numbers.items()
        if topic in known and topic in topics
        for n in range(number)
    ]
