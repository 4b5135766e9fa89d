"""Walks the topics and the parts once and notes the end of every document.

Upstream is read before downstream, so a document that moves on meanwhile is seen at least once; one
that is seen both in flight and at its end counts at its end.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from contracts import Document, IngestProgress, PartSealed, Redriven, Rejection
from services.ledger.files import Files, file_of
from services.ledger.letters import document_of, redriven_at
from services.runtime import LaneService, ObjectStore, Resources, Settings, json_lines
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.process.frames import REDRIVEN_HEADER
from services.runtime.topics import DEAD_LETTER_SUFFIX, POOL, PROGRESS, RAW, REDRIVEN, REJECTED, SEALED
from services.runtime.topology import Service, Topology

# (topic, partition) -> offset: a moment in the river
Marks = Mapping[tuple[str, int], int]


@dataclass
class Account:
    """Every document by where it ended. Keys are uids unless said otherwise.

    names: uid -> id, of all that was seen. raw: times ingested. rejected: (unit, reason) of each drop.
    dead: times in a dead-letter topic and not put back; unreadable: pieces of input that never became a
    document. returned: letters from before the moment of the account that were put back since.
    files: what became of the files that were read.
    skipped: files that are no documents by nature (an image in a folder of texts), by reason.
    waiting: uid -> bucket, in a pool or mixed and not sealed. in_flight: times before the pools.
    parts: (uid, phase, use) -> times; tokens: by bucket; mixed: by phase and bucket; sealed: the parts, in
    lane order.
    whole: from the river's first document on, so that of every copy the first is in it.
    ranked: uid -> (language, format, category) of what the scorer has judged.
    """

    names: dict[int, str] = field(default_factory=dict)
    raw: Counter[int] = field(default_factory=Counter)
    rejected: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    dead: Counter[int] = field(default_factory=Counter)
    unreadable: int = 0
    returned: int = 0
    files: Files = field(default_factory=Files)
    skipped: Counter[str] = field(default_factory=Counter)
    waiting: dict[int, str] = field(default_factory=dict)
    in_flight: Counter[int] = field(default_factory=Counter)
    parts: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    mixed: Counter[tuple[str, str]] = field(default_factory=Counter)
    sealed: list[PartSealed] = field(default_factory=list)
    whole: bool = True
    ranked: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def ends(self) -> Counter[int]:
        """Messages of each document that came to an end; all its uses in parts are one."""
        found = Counter({uid: len(drops) for uid, drops in self.rejected.items()})
        found.update(self.dead)
        found.update(self.waiting.keys())
        found.update({uid for uid, _, _ in self.parts})
        return found

    @property
    def drops(self) -> Counter[tuple[str, str]]:
        """(unit, reason) -> documents."""
        return Counter(drop for drops in self.rejected.values() for drop in drops)


def take_account(
    settings: Settings, topology: Topology, since: Marks | None = None, *, at_rest: bool = False
) -> Account:
    """Account of what came in since a moment, or ever. Raises DependencyDown.

    at_rest: no service runs, so that nothing moves while it is read and every message counts as it stands.
    """
    with Admin(settings) as admin, Log(settings) as log:
        return read_account(admin, log, Resources(settings).store, topology, since, at_rest=at_rest)


def read_account(
    admin: Admin,
    log: Log,
    store: ObjectStore,
    topology: Topology,
    since: Marks | None = None,
    *,
    at_rest: bool = False,
) -> Account:
    """As take_account, by these clients."""
    account = Account(whole=since is None)
    topology = of_every_recipe(topology, log)
    carriers = [service.name for service in topology.carriers]
    # What does not move is asked for once, and not before each topic.
    ends = log.settled_ends(list(topology.topics())) if at_rest else None
    stand = admin.all_committed(carriers) if at_rest else {}
    book = _Book(account, log, since, ends)
    book.raw()
    book.skipped()
    for service in topology.carriers:
        committed = stand[service.name] if at_rest else admin.committed(service.name)
        book.waiting_before(service, topology, committed)
    for topic in topology.topics():
        if topic.endswith(DEAD_LETTER_SUFFIX):
            book.dead(topic)
    book.rejected()
    book.parts(store)
    book.letters()
    book.resumed()
    if not at_rest:
        for service in topology.carriers:
            book.forget_passed(admin.committed(service.name))
        forget_moved(account)
    return account


def under_way(settings: Settings, topology: Topology) -> int:
    """Documents that an interrupted run has left, while no service runs. Raises DependencyDown."""
    with Admin(settings) as admin, Log(settings) as log:
        return count_under_way(admin, log, of_every_recipe(topology, log))


def count_under_way(admin: Admin, log: Log, topology: Topology) -> int:
    """Messages and not uids: of two copies of a record one may wait in a pool, one still before dedup."""
    committed = admin.all_committed([service.name for service in topology.carriers])
    ends = log.settled_ends([name for service in topology.carriers for name in _inputs(service, topology)])
    found = 0
    for service in topology.carriers:
        waiting = _waiting(service, topology, ends, committed[service.name])
        found += sum(1 for record in log.read(waiting) for _ in without_end(record))
    return found


def waiting_records(service: Service, topology: Topology, log: Log, committed: Marks) -> Iterator[Any]:
    """Messages of documents that the service has not done yet."""
    ends = log.settled_ends(_inputs(service, topology))
    return log.read(_waiting(service, topology, ends, committed))


def _waiting(
    service: Service, topology: Topology, ends: Marks, committed: Marks
) -> dict[tuple[str, int], tuple[int, int]]:
    """What lies before it, of documents."""
    inputs = set(_inputs(service, topology))
    return {tp: (committed.get(tp, 0), end) for tp, end in ends.items() if tp[0] in inputs}


def _inputs(service: Service, topology: Topology) -> list[str]:
    """Topics of documents that it reads."""
    inputs = [name for topic in service.inputs for name in topology.expand(topic)]
    return [topic for topic in inputs if topology.holds(topic) is Document]


def documents_of(records: Iterator[Any]) -> Iterator[Document]:
    """Those that can be read and have an identity; their reader makes dead letters of the others."""
    for record in records:
        with contextlib.suppress(DecodeError):
            document = Document.FromString(record.value or b"")
            if document.uid:
                yield document


def without_end(record: Any) -> Iterator[Document]:
    """The document of a message under way, if it has no end yet. A further use has: it is in a part.

    In a pool `use` says how often it was used by then, behind the mixer which use it is.
    """
    first = 0 if record.topic.startswith(POOL) else 1
    yield from (document for document in documents_of(iter([record])) if document.use <= first)


def of_every_recipe(topology: Topology, log: Log) -> Topology:
    """With the buckets of all recipes that were ever used here: their pools may hold documents yet."""
    pools = [name for name in log.topics() if name.startswith(POOL) and topology.holds(name) is Document]
    buckets = {name.removeprefix(POOL) for name in pools if not name.endswith(DEAD_LETTER_SUFFIX)}
    return topology.with_buckets(sorted(buckets | set(topology.buckets)))


def forget_moved(account: Account) -> None:
    """Of what was seen under way, leave what has not been seen at its end as well."""
    ends = account.ends()
    for uid, times in account.in_flight.items():
        came = account.raw.get(uid, times)  # none: it came in before the moment of the account
        account.in_flight[uid] = min(times, max(came - ends[uid], 0))
    account.in_flight += Counter()  # without those that are 0


class _Book:
    """Writes into an account what it reads from topic after topic. ends: of all, where nothing moves."""

    def __init__(self, account: Account, log: Log, since: Marks | None, ends: Marks | None) -> None:
        self._account = account
        self._log = log
        self._since = since or {}
        self._ends = ends
        self._waits_at: dict[int, tuple[str, int, int]] = {}  # uid -> topic, partition, offset
        self._letters: dict[str, Document] = {}  # dead letters by id; without a uid: a piece of input
        self._redriven = set(redriven_at(log))  # as the account begins

    def raw(self) -> None:
        # What was put back came in before.
        first = (r for r in self._new(RAW) if REDRIVEN_HEADER not in dict(r.headers or ()))
        for document in self._documents(first):
            self._account.raw[document.uid] += 1
            self._account.files.came[file_of(document.source)] += 1

    def skipped(self) -> None:
        for record in self._new(PROGRESS):
            reached = IngestProgress.FromString(record.value)
            if reached.skipped:
                self._account.skipped[reached.skipped] += 1

    def waiting_before(self, service: Service, topology: Topology, committed: Marks) -> None:
        """Documents that the service has not done yet."""
        lane = isinstance(service.definition, LaneService)
        ends = self._settled_ends(_inputs(service, topology))
        for record in self._log.read(_waiting(service, topology, ends, committed)):
            for document in without_end(record):
                self._note(document)
                if lane:
                    self._account.waiting[document.uid] = document.bucket
                    self._waits_at[document.uid] = (record.topic, record.partition, record.offset)
                else:
                    self._account.in_flight[document.uid] += 1

    def forget_passed(self, committed: Marks) -> None:
        """A document that waited before a lane service, and came to its end while we read, does not wait."""
        ends = self._account.ends()
        for uid, (topic, partition, offset) in list(self._waits_at.items()):
            passed = offset < committed.get((topic, partition), 0)
            if passed and uid in self._account.waiting and ends[uid] > 1:
                del self._account.waiting[uid], self._waits_at[uid]

    def dead(self, topic: str) -> None:
        for record in self._new(topic):
            document = document_of(record.value)
            said = dict(record.headers or ())
            if document is not None and document.use > 1:
                continue  # a further use: see rejected
            if document is None or ERROR_HEADER + "offset" not in said:
                # A piece of input, also where it happens to read as a document.
                document = Document(source=said.get(ERROR_HEADER + "topic", b"").decode(errors="replace"))
            self._letters[f"{topic}/{record.partition}/{record.offset}"] = Document(
                id=document.id, uid=document.uid, source=document.source
            )

    def letters(self) -> None:
        """Which letters are an end. Asked last: one that is put back meanwhile goes on, and may end."""
        redriven = redriven_at(self._log)
        for letter, document in self._letters.items():
            if letter not in redriven:
                if document.uid:
                    self._note(document)
                    self._account.dead[document.uid] += 1
                else:
                    self._account.unreadable += 1
                if not document.uid or document.uid in self._account.raw:
                    self._account.files.letter(document.source, document=bool(document.uid))
            elif letter not in self._redriven and document.uid:
                self._account.in_flight[document.uid] += 1
        for record in self._new(REDRIVEN) if self._since else ():
            mark = Redriven.FromString(record.value)
            self._account.returned += mark.offset < self._since.get((mark.topic, mark.partition), 0)

    def resumed(self) -> None:
        """Of the files with dead letters, those of which an earlier run has read records as they are now."""
        files, before = self._account.files, dict[str, IngestProgress]()
        for record in self._log.read_all(PROGRESS) if self._since and files.letters else ():
            reached = IngestProgress.FromString(record.value)
            if reached.source not in files.letters:
                continue
            known = before.get(reached.source)
            if record.offset < self._since.get((record.topic, record.partition), 0):
                before[reached.source] = reached
            elif known and known.num_records and known.fingerprint == reached.fingerprint:
                files.resumed.add(reached.source)

    def rejected(self) -> None:
        for record in self._new(REJECTED):
            if f"{record.topic}/{record.partition}/{record.offset}" in self._redriven:
                continue  # it was put back, and has another end
            rejection = Rejection.FromString(record.value)
            self._note(rejection.document)
            if rejection.document.use > 1:
                continue  # a further use, and its end is that of the first, as in tallies
            self._account.rejected[rejection.document.uid].append((rejection.unit, rejection.reason))

    def parts(self, store: ObjectStore) -> None:
        for record in self._new(SEALED):
            part = PartSealed.FromString(record.value)
            self._account.sealed.append(part)
            for row in part_records(store, part.name):
                uid = int(row["uid"], 16)
                self._account.names[uid] = row["id"]
                self._account.parts[uid, row["phase"], row["use"]] += 1
                if row.get("rank") is not None:
                    self._account.ranked[uid] = (row["language"], row["format"], row["category"])
                self._account.tokens[row["bucket"]] += row["num_tokens"]
                self._account.mixed[row["phase"], row["bucket"]] += row["num_tokens"]

    def _new(self, topic: str) -> Iterator[Any]:
        ends = self._settled_ends([topic])
        return self._log.read({tp: (self._since.get(tp, 0), end) for tp, end in ends.items()})

    def _settled_ends(self, topics: Sequence[str]) -> Marks:
        if self._ends is None:
            return self._log.settled_ends(topics)
        return {tp: end for tp, end in self._ends.items() if tp[0] in topics}

    def _documents(self, records: Iterator[Any]) -> Iterator[Document]:
        for document in documents_of(records):
            self._note(document)
            yield document

    def _note(self, document: Document) -> None:
        self._account.names[document.uid] = document.id
        if document.HasField("rank"):
            group = (document.language, document.format, document.category)
            self._account.ranked[document.uid] = group


def part_records(store: ObjectStore, name: str) -> Iterator[dict[str, Any]]:
    """The lines of a part's .jsonl."""
    return json_lines(store.get(f"parts/{name}.jsonl"))
