"""Everything the river knows of one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from contracts import Control, Document, PartSealed, Rejection
from services.ledger.account import of_every_recipe, part_records
from services.ledger.letters import redriven_at
from services.runtime import Resources, Settings
from services.runtime.clients.log import Log
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.process.frames import REDRIVEN_HEADER
from services.runtime.topics import DEAD_LETTER_SUFFIX, SEALED
from services.runtime.topology import Topology


@dataclass(frozen=True)
class Sighting:
    """One place where the document was seen. at_ms: Unix time of the record."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    what: dict[str, Any]


def trace(settings: Settings, topology: Topology, wanted: str) -> list[Sighting]:
    """All sightings of an id, or of a uid in 16 hex digits, oldest first. Reads every topic once."""
    found: list[Sighting] = []
    uids: set[int] = {int(wanted, 16)} if _is_uid(wanted) else set()
    store = Resources(settings).store
    with Log(settings) as log:
        topology = of_every_recipe(topology, log)
        redriven = redriven_at(log)
        for topic in topology.topics():
            for record in log.read_all(topic):
                for what in _seen(record, topic, topology, wanted, uids):
                    letter = f"{topic}/{record.partition}/{record.offset}"
                    if letter in redriven:
                        what["put_back_at_ms"] = redriven[letter]
                    found.append(Sighting(topic, record.partition, record.offset, record.timestamp, what))
        for record in log.read_all(SEALED):
            part = PartSealed.FromString(record.value)
            for row in part_records(store, part.name):
                if row["id"] == wanted or int(row["uid"], 16) in uids:
                    what = {"part": part.name, "tokens": row["num_tokens"], "phase": row["phase"]}
                    what |= {"use": row["use"], "spans": row["spans"]}
                    found.append(Sighting(SEALED, record.partition, record.offset, record.timestamp, what))
    return sorted(found, key=lambda sighting: sighting.at_ms)


def _seen(
    record: Any, topic: str, topology: Topology, wanted: str, uids: set[int]
) -> Iterator[dict[str, Any]]:
    holds = topology.holds(topic)
    try:
        if topic.endswith(DEAD_LETTER_SUFFIX) or holds is Document:
            document = Document.FromString(record.value or b"")
            if document.id == wanted or document.uid in uids:
                uids.add(document.uid)
                yield _describe(document, dict(record.headers or ()))
        elif holds is Rejection:
            rejection = Rejection.FromString(record.value)
            if rejection.document.id == wanted or rejection.document.uid in uids:
                what: dict[str, Any] = {"dropped_by": rejection.unit, "reason": rejection.reason}
                if rejection.HasField("measured"):
                    what["measured"] = rejection.measured
                if rejection.HasField("threshold"):
                    what["threshold"] = rejection.threshold
                yield what | {"detail": rejection.detail}
        elif holds is Control:
            told = Control.FromString(record.value)
            if told.HasField("retraction") and told.retraction.uid in uids:
                by = f"{told.retraction.superseded_by:016x}"
                yield {"superseded_by": by, "similarity": told.retraction.similarity}
            elif told.HasField("quarantine") and told.quarantine.uid in uids:
                yield {"quarantined": told.quarantine.why}
    except DecodeError:
        return


def _describe(document: Document, headers: dict[str, bytes]) -> dict[str, Any]:
    what: dict[str, Any] = {"uid": f"{document.uid:016x}", "source": document.source}
    for name in (
        "media_type",
        "language",
        "format",
        "category",
        "calibration",
        "bucket",
        "phase",
        "num_tokens",
    ):
        if getattr(document, name):
            what[name] = getattr(document, name)
    for name, value in headers.items():
        if name.startswith(ERROR_HEADER) or name == REDRIVEN_HEADER:
            what[name.removeprefix(ERROR_HEADER)] = value.decode(errors="replace")
    return what


def _is_uid(text: str) -> bool:
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
