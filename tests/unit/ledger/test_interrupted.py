"""The sums of a report, after any number of interruptions: a small river of lists under the real account."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from contracts import Document, IngestProgress, PartSealed, Rejection
from services.ledger import lost_sources, report
from services.ledger.account import Account, count_under_way, read_account
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.topology import Topology

BUCKETS = ("zh", "en")
UNITS = ["parse", "rules", "sentences", "classifier", "scorer", "tokenizer", "router", "dedup"]
Place = tuple[str, int]


class River:
    """Topics as lists, groups as numbers; it is the Admin, the Log and the store of an account."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.topology = Topology.load(None, BUCKETS)
        self.log: dict[str, list[Any]] = defaultdict(list)
        self.groups: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.seen: set[int] = set()
        self.files: dict[str, bytes] = {}

    # what an account asks

    def topics(self) -> set[str]:
        return set(self.topology.topics())

    def settled_ends(self, topics: Sequence[str]) -> dict[Place, int]:
        return {(topic, 0): len(self.log[topic]) for topic in topics}

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[Any]:
        for (topic, _), (start, end) in ranges.items():
            yield from self.log[topic][start:end]

    def read_all(self, *topics: str) -> Iterator[Any]:
        for topic in topics:
            yield from list(self.log[topic])

    def committed(self, group: str) -> dict[Place, int]:
        return {(topic, 0): offset for topic, offset in self.groups[group].items()}

    def all_committed(self, groups: Sequence[str]) -> dict[str, dict[Place, int]]:
        return {group: self.committed(group) for group in groups}

    def get(self, name: str) -> bytes:
        return self.files[name]

    # what a river does

    def send(self, topic: str, value: bytes, /, **said: str) -> None:
        headers = [(ERROR_HEADER + name, text.encode()) for name, text in said.items()]
        self.log[topic].append(
            SimpleNamespace(
                topic=topic, partition=0, offset=len(self.log[topic]), key=b"", value=value, headers=headers
            )
        )

    def ingest(self, records: Sequence[int], source: str) -> None:
        """Record 0 is a piece that cannot be read."""
        for number, record in enumerate(records):
            place = f"{source}#{number}"
            if record:
                self.send("docs.raw", Document(id=str(record), uid=record, source=place).SerializeToString())
            else:
                self.send("docs.raw.dlq", b"garbage", topic=place)
            reached = IngestProgress(source=source, fingerprint="f", num_records=number + 1)
            self.send("docs.ingested", reached.SerializeToString())

    def step(self) -> bool:
        """One service does some of what waits for it. False when there is nothing left to do."""
        able = [name for name in [*UNITS, "mixer", "sink"] if self._waiting(name)]
        if not able:
            return False
        name = self.random.choice(able)
        waiting = self._waiting(name)
        number = self.random.randint(1, len(waiting))
        if name == "sink":
            self._seal(waiting[:number])
        else:
            for record in waiting[:number]:
                self._judge(name, Document.FromString(record.value), record)
        for record in waiting[:number]:
            self.groups[name][record.topic] = record.offset + 1
        return True

    def _waiting(self, name: str) -> list[Any]:
        service = self.topology.services[name]
        topics = [t for topic in service.inputs for t in self.topology.expand(topic)]
        return [r for topic in topics for r in self.log[topic][self.groups[name][topic] :]]

    def _judge(self, name: str, document: Document, record: Any) -> None:
        chance = self.random.random()
        if name == "dedup" and document.uid in self.seen:
            self._reject(document, name, "already_seen")
        elif name != "mixer" and chance < 0.03:
            self.send(record.topic + ".dlq", record.value, topic=record.topic, offset=str(record.offset))
        elif chance < 0.08:
            self._reject(document, name, "superseded" if name == "mixer" else "some_reason")
        else:
            document.bucket = self.random.choice(BUCKETS)
            output = self.topology.services[name].output.replace("{bucket}", document.bucket)
            self.send(output, document.SerializeToString())
        if name == "dedup":
            self.seen.add(document.uid)

    def _reject(self, document: Document, unit: str, reason: str) -> None:
        rejection = Rejection(document=document, unit=unit, reason=reason)
        self.send("docs.rejected", rejection.SerializeToString())

    def _seal(self, records: Sequence[Any]) -> None:
        name = f"part-{len(self.files)}"
        documents = [Document.FromString(record.value) for record in records]
        rows = [
            {
                "uid": f"{d.uid:016x}",
                "id": d.id,
                "phase": "p",
                "use": 1,
                "bucket": "zh",
                "num_tokens": 3,
                "rank": None,
            }
            for d in documents
        ]
        self.files[f"parts/{name}.jsonl"] = "\n".join(map(json.dumps, rows)).encode()
        self.send("shards.sealed", PartSealed(name=name).SerializeToString())


def account_of(river: River, since: Mapping[Place, int]) -> Account:
    return read_account(river, river, river, river.topology, since, at_rest=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(25))
def test_the_sums_agree_after_any_number_of_interruptions(seed: int) -> None:
    """Prevents a record that is twice in a file, and a Ctrl-C, from giving `-525 unaccounted for`."""
    river = River(seed)
    interrupted = carried = 0
    for run in range(6):
        marks = river.settled_ends(list(river.topology.topics()))
        carried_over = count_under_way(river, river, river.topology)  # type: ignore[arg-type]
        carried += carried_over
        # Most of the records are there already: twice in this file, or in an earlier one.
        records = [river.random.randint(0, 40) for _ in range(river.random.randint(0, 120))]
        river.ingest(records, f"file:///run-{run}")
        steps = river.random.choice([0, 3, 10, 10_000])
        while steps and river.step():
            steps -= 1
        interrupted += not steps
        found = report(account_of(river, marks), carried_over, {}, 1.0, {})
        assert found["unaccounted"] == 0, (run, found)
        assert found["documents_in"] == len(records) + carried_over
        assert found["carried_over"] == carried_over
    assert interrupted
    assert carried


def test_a_document_that_is_lost_shows_after_an_interruption() -> None:
    """Prevents sums that agree whatever happens."""
    river = River(1)
    river.ingest([1, 1, 2, 3, 3], "file:///a")
    for _ in range(3):
        river.step()
    marks = river.settled_ends(list(river.topology.topics()))
    carried_over = count_under_way(river, river, river.topology)  # type: ignore[arg-type]
    name = next(name for name in UNITS if river._waiting(name))
    lost = river._waiting(name)[0]
    river.groups[name][lost.topic] = lost.offset + 1
    while river.step():
        pass
    assert report(account_of(river, marks), carried_over, {}, 1.0, {})["unaccounted"] == 1


def test_a_further_use_that_is_dropped_or_dies_is_no_end() -> None:
    """Prevents `-236 documents unaccounted for` where parts were adopted and documents are mixed again."""
    river = River(1)
    river.ingest([1, 2], "file:///a")
    for record in river._waiting("parse"):
        for use in (1, 2, 3):
            document = Document.FromString(record.value)
            document.use = use
            river._reject(document, "sink", "already_in_part")
        river.send("docs.mixed.dlq", document.SerializeToString(), topic="docs.mixed", offset="0")
        river.groups["parse"][record.topic] = record.offset + 1
    found = report(account_of(river, {}), 0, {}, 1.0, {})
    assert found["unaccounted"] == 0
    assert found["dropped"] == {"sink": {"already_in_part": 2}}


def test_which_sources_gave_nothing_but_dead_letters() -> None:
    """Prevents a million bad records from ending in exit code 0, and a good file from being named."""
    river = River(2)
    river.ingest([0, 0, 0], "file:///in/bad.jsonl")
    river.ingest([0, 5, 0], "file:///in/mixed.jsonl")
    river.send("docs.raw.dlq", b"", topic="file:///in/empty.txt")
    river.send("docs.raw.dlq", b"", topic="file:///named/empty.txt")
    river.send("docs.raw.dlq", b"", topic="file:///folder/x.pdf")
    files = account_of(river, {}).files
    paths = ["/in", "/named/empty.txt", "/folder", "/nothing"]
    assert lost_sources(files, paths) == ["/named/empty.txt", "/folder", "/in/bad.jsonl"]
    assert lost_sources(files, ["/in/bad.jsonl", "/in/mixed.jsonl"])[0] == "/in/bad.jsonl"


def test_a_document_that_died_on_its_way_is_lost_too() -> None:
    """Prevents dead letters of later services from being left out."""
    river = River(3)
    river.ingest([7, 8], "file:///a.jsonl")
    for record in river.log["docs.raw"]:
        river.send("docs.raw.dlq", record.value, topic="docs.raw", offset=str(record.offset))
    assert lost_sources(account_of(river, {}).files, ["/a.jsonl"]) == ["/a.jsonl"]
    river.ingest([9], "file:///a.jsonl")
    assert lost_sources(account_of(river, {}).files, ["/a.jsonl"]) == []


@pytest.mark.parametrize(("fingerprint", "lost"), [("f", []), ("another", ["/a.jsonl"])])
def test_a_file_whose_good_records_were_read_before_is_not_lost(fingerprint: str, lost: list[str]) -> None:
    """Prevents a file that was resumed before its last, bad record from being called useless."""
    river = River(4)
    river.ingest([1, 2], "file:///a.jsonl")
    marks = river.settled_ends(list(river.topology.topics()))
    river.send("docs.raw.dlq", b"", topic="file:///a.jsonl#3")
    reached = IngestProgress(source="file:///a.jsonl", fingerprint=fingerprint, num_records=3)
    river.send("docs.ingested", reached.SerializeToString())
    assert lost_sources(account_of(river, marks).files, ["/a.jsonl"]) == lost
