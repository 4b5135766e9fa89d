"""Everything the river knows of one document: what the archive holds of it, and what is not archived yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from contracts import Control, Document, PartSealed, Rejection
from services.ledger.account import Marks, of_every_recipe, part_records
from services.ledger.letters import redriven_at
from services.runtime import ObjectStore, Resources, Settings
from services.runtime.clients.admin import Admin
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


_KNOWN = ("media_type", "language", "format", "category", "calibration", "bucket", "phase", "num_tokens")
# What is asked of the archive, by table.
ARCHIVED: Mapping[str, tuple[str, ...]] = {
    "documents": ("uid", "source", *(name for name in _KNOWN if name != "phase")),
    "drops": ("uid", "unit", "reason", "measured", "threshold", "detail"),
    "uses": ("uid", "part", "num_tokens", "phase", "use", "spans"),
}
PLACE = ("topic", "partition", "offset", "logged")  # and this of each


def archived(table: str, row: Mapping[str, Any]) -> Sighting:
    """What a row of the archive tells, as the message from which it was made would."""
    what: dict[str, Any]
    if table == "documents":
        what = {"uid": row["uid"], "source": row["source"]}
        what |= {name: row[name] for name in ARCHIVED[table][2:] if row[name]}
    elif table == "drops":
        what = {"dropped_by": row["unit"], "reason": row["reason"]}
        what |= {name: row[name] for name in ("measured", "threshold") if row[name] is not None}
        what["detail"] = row["detail"] or ""
    else:
        what = {"part": row["part"], "tokens": row["num_tokens"], "phase": row["phase"], "use": row["use"]}
        what["spans"] = [[span["start"], span["end"]] for span in row["spans"]]
    at_ms = round(row["logged"].timestamp() * 1000)
    return Sighting(row["topic"], row["partition"], row["offset"], at_ms, what)


def merged(archived: Iterable[Sighting], logged: Iterable[Sighting]) -> list[Sighting]:
    """Each sighting once, oldest first: what is archived in this moment stands in both."""
    once = {(s.topic, s.partition, s.offset, s.at_ms, s.what.get("use")): s for s in (*logged, *archived)}
    return sorted(once.values(), key=lambda sighting: sighting.at_ms)


def not_archived(settings: Settings, topology: Topology) -> Marks:
    """Where in each topic that begins which neither the archive nor a later topic has. Raises DependencyDown.

    What lies before the place of a topic's archive is in its files, what lies before that of its reader has
    gone on. Topics that nobody reads (dead letters), or whose archive is left out, are not in it.
    """
    with Admin(settings) as admin, Log(settings) as log:
        return places_not_archived(admin.committed, log, topology)


def places_not_archived(committed_by: Callable[[str], Marks], log: Log, topology: Topology) -> Marks:
    """As not_archived, by these clients. committed_by: of a group's name."""
    topology = of_every_recipe(topology, log)
    by_watcher: dict[tuple[str, int], int] = {}
    by_carrier: dict[tuple[str, int], int] = {}
    for service in topology.services.values():
        committed = committed_by(service.name)
        found = by_watcher if service.watches else by_carrier
        for topic in [name for pattern in service.inputs for name in topology.expand(pattern)]:
            for tp in log.partitions(topic):
                at = committed.get((topic, tp.partition), 0)
                found[topic, tp.partition] = min(at, found.get((topic, tp.partition), at))
    # The catalog has read a part, and does not hold it: without an archive its records are its uses.
    return {place: at for place, at in by_carrier.items() if place[0] != SEALED} | by_watcher


def trace(
    settings: Settings, topology: Topology, wanted: str, since: Marks | None = None, uids: Iterable[int] = ()
) -> list[Sighting]:
    """All sightings in the topics of an id, or of a uid in 16 hex digits, oldest first.

    since: from there on; topics that are not in it, and without it all, are read from their start.
    uids: of documents that are known to have that id. Raises DependencyDown.
    """
    with Log(settings) as log:
        return sightings(log, Resources(settings).store, topology, wanted, since=since, uids=uids)


def sightings(
    log: Log,
    store: ObjectStore,
    topology: Topology,
    wanted: str,
    *,
    since: Marks | None = None,
    uids: Iterable[int] = (),
) -> list[Sighting]:
    """As trace, by these clients."""
    found: list[Sighting] = []
    uids = {*uids, *([int(wanted, 16)] if _is_uid(wanted) else [])}
    since = since or {}
    topology = of_every_recipe(topology, log)
    redriven = redriven_at(log)
    for topic in topology.topics():
        if topology.holds(topic) not in (Document, Rejection, Control):
            continue
        for record in _records(log, topic, since):
            for what in _seen(record, topic, topology, wanted, uids):
                letter = f"{topic}/{record.partition}/{record.offset}"
                if letter in redriven:
                    what["put_back_at_ms"] = redriven[letter]
                found.append(Sighting(topic, record.partition, record.offset, record.timestamp, what))
    for record in _records(log, SEALED, since):
        part = PartSealed.FromString(record.value)
        for row in part_records(store, part.name):
            if row["id"] == wanted or int(row["uid"], 16) in uids:
                what = {"part": part.name, "tokens": row["num_tokens"], "phase": row["phase"]}
                what |= {"use": row["use"], "spans": row["spans"]}
                found.append(Sighting(SEALED, record.partition, record.offset, record.timestamp, what))
    return sorted(found, key=lambda sighting: sighting.at_ms)


def _records(log: Log, topic: str, since: Marks) -> Iterator[Any]:
    starts, ends = log.starts([topic]), log.settled_ends([topic])
    return log.read({tp: (max(start, since.get(tp, 0)), ends[tp]) for tp, start in starts.items()})


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
            elif told.HasField("forget") and told.forget.uid in uids:
                yield {"forgotten": told.forget.why}
    except DecodeError:
        return


def _describe(document: Document, headers: dict[str, bytes]) -> dict[str, Any]:
    what: dict[str, Any] = {"uid": f"{document.uid:016x}", "source": document.source}
    for name in _KNOWN:
        if getattr(document, name):
            what[name] = getattr(document, name)
    for name, value in headers.items():
        if name.startswith(ERROR_HEADER) or name == REDRIVEN_HEADER:
            what[name.removeprefix(ERROR_HEADER)] = value.decode(errors="replace")
    return what


def _is_uid(text: str) -> bool:
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
