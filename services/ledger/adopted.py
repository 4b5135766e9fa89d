"""What is told of parts that a river adopts: their documents came, and are in parts, as if it had made them.

Without it a river whose log was lost would have parts that its proof knows nothing of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from contracts import PartRecord, PartSealed, Tally
from services.ledger.tallied import tallies
from services.runtime.clients.log import Log
from services.runtime.loops.tally import Told, put, tally
from services.runtime.loops.transaction import Produce
from services.runtime.topics import TALLY


def untold(log: Log, parts: Sequence[PartSealed]) -> list[PartSealed]:
    """Those of which river.tally says nothing. Reads it whole. Raises DependencyDown."""
    whole = {tp: (0, end) for tp, end in log.settled_ends([TALLY]).items()}
    known = {entry.part for entry in tallies(log, whole) if entry.outcome == Tally.ANNOUNCED}
    return [part for part in parts if part.name not in known]


def told_of(part: PartSealed, records: Iterable[PartRecord]) -> list[Produce]:
    """The messages of one part, of one transaction. A further use came before, with the first."""
    return tally(_told(records), [part.name])


def _told(records: Iterable[PartRecord]) -> Iterator[Told]:
    for record in records:
        if record.use <= 1:
            yield Told(Tally.CAME, record.uid)
        yield put(record)
