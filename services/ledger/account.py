"""Walks the topics and the parts once and notes the end of every document.

Upstream is read before downstream, so a document that moves on meanwhile is seen at least once; one
that is seen both in flight and at its end counts at its end.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from contracts import Document, IngestProgress, PartSealed, Redriven, Rejection
from services.ledger.letters import document_of, redriven_at
from services.runtime import LaneService, ObjectStore, Resources, Settings
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
    skipped: files that are no documents by nature (an image in a folder of texts), by reason.
    waiting: uid -> bucket, in a pool or mixed and not sealed. in_flight: times before the pools.
    parts: (uid, phase, use) -> times; tokens: by bucket; sealed: the parts, in lane order.
    whole: from the river's first document on, so that of every copy the first is in it.
    """

    names: dict[int, str] = field(default_factory=dict)
    raw: Counter[int] = field(default_factory=Counter)
    rejected: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    dead: Counter[int] = field(default_factory=Counter)
    unreadable: int = 0
    returned: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    waiting: dict[int, str] = field(default_factory=dict)
    in_flight: Counter[int] = field(default_factory=Counter)
    parts: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    sealed: list[PartSealed] = field(default_factory=list)
    whole: bool = True

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


def take_account(settings: Settings, topology: Topology, since: Marks | None = None) -> Account:
    """Account of what came in since a moment, or ever. Raises DependencyDown."""
    account = Account(whole=since is None)
    store = Resources(settings).store
    with Admin(settings) as admin, Log(settings) as log:
        topology = of_every_recipe(topology, log)
        book = _Book(account, log, since)
        book.raw()
        book.skipped()
        for service in topology.services.values():
            if service.run and service.inputs:
                book.waiting_before(service, topology, admin.committed(service.name))
        for topic in topology.topics():
            if topic.endswith(DEAD_LETTER_SUFFIX):
                book.dead(topic)
        book.rejected()
        book.parts(store)
        book.letters()
        for service in topology.services.values():
            book.forget_passed(admin.committed(service.name))
    forget_moved(account)
    return account


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
    """Writes into an account what it reads from one topic after another."""

    def __init__(self, account: Account, log: Log, since: Marks | None) -> None:
        self._account = account
        self._log = log
        self._since = since or {}
        self._waits_at: dict[int, tuple[str, int, int]] = {}  # uid -> topic, partition, offset
        self._letters: dict[str, Document | None] = {}  # dead letters by id
        self._redriven = set(redriven_at(log))  # as the account begins

    def raw(self) -> None:
        # What was put back came in before.
        first = (r for r in self._new(RAW) if REDRIVEN_HEADER not in dict(r.headers or ()))
        for document in self._documents(first):
            self._account.raw[document.uid] += 1

    def skipped(self) -> None:
        for record in self._new(PROGRESS):
            reached = IngestProgress.FromString(record.value)
            if reached.skipped:
                self._account.skipped[reached.skipped] += 1

    def waiting_before(self, service: Service, topology: Topology, committed: Marks) -> None:
        """Documents that the service has not done yet."""
        lane = isinstance(service.definition, LaneService)
        inputs = [name for topic in service.inputs for name in topology.expand(topic)]
        inputs = [topic for topic in inputs if topology.holds(topic) is Document]
        ranges = {tp: (committed.get(tp, 0), end) for tp, end in self._log.settled_ends(inputs).items()}
        for record in self._log.read(ranges):
            for document in self._documents(iter([record])):
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
            if ERROR_HEADER + "offset" not in dict(record.headers or ()):
                document = None  # a piece of input that happens to read as one
            self._letters[f"{topic}/{record.partition}/{record.offset}"] = document and Document(
                id=document.id, uid=document.uid
            )

    def letters(self) -> None:
        """Which letters are an end. Asked last: one that is put back meanwhile goes on, and may end."""
        redriven = redriven_at(self._log)
        for letter, document in self._letters.items():
            if letter not in redriven:
                if document is None:
                    self._account.unreadable += 1
                else:
                    self._note(document)
                    self._account.dead[document.uid] += 1
            elif letter not in self._redriven and document is not None:
                self._account.in_flight[document.uid] += 1
        for record in self._new(REDRIVEN) if self._since else ():
            mark = Redriven.FromString(record.value)
            self._account.returned += mark.offset < self._since.get((mark.topic, mark.partition), 0)

    def rejected(self) -> None:
        for record in self._new(REJECTED):
            rejection = Rejection.FromString(record.value)
            self._note(rejection.document)
            self._account.rejected[rejection.document.uid].append((rejection.unit, rejection.reason))

    def parts(self, store: ObjectStore) -> None:
        for record in self._new(SEALED):
            part = PartSealed.FromString(record.value)
            self._account.sealed.append(part)
            for row in part_records(store, part.name):
                uid = int(row["uid"], 16)
                self._account.names[uid] = row["id"]
                self._account.parts[uid, row["phase"], row["use"]] += 1
                self._account.tokens[row["bucket"]] += row["num_tokens"]

    def _new(self, topic: str) -> Iterator[Any]:
        ends = self._log.settled_ends([topic])
        return self._log.read({tp: (self._since.get(tp, 0), end) for tp, end in ends.items()})

    def _documents(self, records: Iterator[Any]) -> Iterator[Document]:
        for record in records:
            try:
                document = Document.FromString(record.value or b"")
            except DecodeError:
                continue  # its reader makes a dead letter of it
            if document.uid:
                self._note(document)
                yield document

    def _note(self, document: Document) -> None:
        self._account.names[document.uid] = document.id


def part_records(store: ObjectStore, name: str) -> Iterator[dict[str, Any]]:
    """The lines of a part's .jsonl."""
    for line in store.get(f"parts/{name}.jsonl").splitlines():
        yield json.loads(line)
