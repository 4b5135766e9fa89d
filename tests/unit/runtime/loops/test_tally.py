"""What each loop tells river.tally, in the transaction of what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from contracts import Document, IngestProgress, PartRecord, Rejection, Tally
from services.runtime import LaneService, Message, Output, Settings, Source, Step
from services.runtime.loops.lane import LaneLoop
from services.runtime.loops.source import SourceLoop
from services.runtime.loops.tally import Told, dead, dropped, put, revived, tally
from services.runtime.loops.unit import UnitLoop
from services.runtime.process.frames import Outcome
from services.runtime.process.reader_frames import Step as ReaderStep
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker
from tests.unit.runtime.loops.conftest import Worker
from tests.units import NoConfig

HERE = "tests.unit.runtime.loops.test_tally"
TABLE = {
    "services": {
        "lines": {"run": f"{HERE}:LINES", "output": "docs.raw"},
        "placed": {"run": "tests.units:PLACED", "input": "docs.raw", "output": "docs.parsed"},
        "whims": {"run": f"{HERE}:WHIMS", "input": ["docs.mixed"], "output": "docs.out"},
    },
    "topics": {"docs.raw": {"holds": "Document", "by": "partitions"}},
}


def names(messages: Iterable[Any]) -> Counter[tuple[str, int]]:
    """(outcome, uid) of every document, (outcome, 0) of every piece without a uid."""
    found: Counter[tuple[str, int]] = Counter()
    for message in messages:
        for entry in Tally.FromString(message.value).entries:
            name = Tally.Outcome.Name(entry.outcome)
            found.update((name, uid) for uid in entry.uids)
            found[name, 0] += entry.number + bool(entry.part)
    return +found


def told(broker: MemoryBroker) -> Counter[tuple[str, int]]:
    with broker.log() as log:
        return names(log.read_all("river.tally"))


def publish(broker: MemoryBroker, topic: str, *values: bytes) -> None:
    producer = broker.producer("test")
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        producer.send(topic, value, partition=0)
    producer.commit_transaction()


def document(uid: int, **fields: Any) -> bytes:
    return Document(uid=uid, **fields).SerializeToString()


class TestMessages:
    def test_nothing_to_tell_is_no_message(self) -> None:
        """Prevents a bill for what everybody knows."""
        assert tally([]) == []

    def test_what_is_alike_is_one_entry_with_its_groups(self) -> None:
        """Prevents a tally larger than what it tells, and counts that are not those of the documents."""
        zh = Document(uid=1, language="zh", category="news", num_tokens=7, rank=0.5)
        drops = [dropped(zh, "rules", "short"), dropped(Document(uid=2), "rules", "short")]
        drops.append(dropped(zh, "rules", "short"))
        (message,) = tally([*drops, Told(Tally.CAME, 3)], parts=["lane-000/part"])
        short, came, part = Tally.FromString(message.value or b"").entries
        assert (short.unit, short.reason, list(short.uids)) == ("rules", "short", [1, 2, 1])
        assert [(g.language, g.category, g.ranked, g.documents, g.tokens) for g in short.groups] == [
            ("zh", "news", True, 2, 14),
            ("", "", False, 1, 0),
        ]
        assert list(came.uids) == [3]
        assert part.part == "lane-000/part"

    def test_a_large_part_is_told_in_several_messages(self) -> None:
        """Prevents a tally that the broker refuses for ever."""
        uids = range(1, 120_002)
        messages = tally((Told(Tally.PART, uid) for uid in uids), parts=["p"])
        assert len(messages) == 3
        assert max(len(message.value or b"") for message in messages) < 500_000
        assert names(messages) == Counter({("PART", uid): 1 for uid in uids}) + Counter({("ANNOUNCED", 0): 1})

    def test_a_further_use_is_never_an_end(self) -> None:
        """Prevents a document that is used again from ending twice."""
        again = Document(uid=5, use=2)
        assert dropped(again, "mixer", "quarantined").outcome == Tally.LEFT_AGAIN
        assert dead(again.SerializeToString(), "sink").outcome == Tally.LEFT_AGAIN
        assert put(PartRecord(uid=5, use=2)).outcome == Tally.AGAIN
        assert list(revived(again)) == []
        first = Document(uid=5, use=1)
        assert dead(first.SerializeToString(), "sink").outcome == Tally.DEAD
        assert put(PartRecord(uid=5, use=1)).outcome == Tally.PART
        assert [t.outcome for t in revived(first)] == [Tally.REVIVED]

    @pytest.mark.parametrize("value", [b"\xff\xff", b"", Document(id="no uid").SerializeToString()])
    def test_what_has_no_identity_is_a_number(self, value: bytes) -> None:
        """Prevents garbage from being missed, or counted as a document."""
        assert dead(value, "parse")[:2] == (Tally.UNREADABLE, 0)
        assert list(revived(None)) == []


def _steps() -> Iterable[ReaderStep]:
    said = IngestProgress(source="file", num_records=3).SerializeToString()
    yield ReaderStep([(1, document(1)), (2, document(2)), (1, document(1))], said, [("file#3", b"?", "why")])


LINES = Source("lines", NoConfig, lambda config, resources: lambda progress, passed=(): iter(()))


def test_a_source_tells_what_came(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a document that nobody looks for; a copy came as often as it did."""
    for name in ("docs.raw", "docs.raw.dlq"):
        broker.create_topic(name, 2)
    it = SourceLoop(settings, Topology(TABLE, ()).service("lines"), "0", broker=broker)
    broker.fail_next_commit = KafkaTimeoutError("slow")
    with pytest.raises(Exception, match="slow"):
        it._publish_all(iter(_steps()))
    it._transactions.open()  # which aborts what was begun
    assert told(broker) == {}
    it._publish_all(iter(_steps()))
    assert told(broker) == {("CAME", 1): 2, ("CAME", 2): 1, ("UNREADABLE", 0): 1}


class Dropping(Worker):
    """What says "drop" is dropped."""

    def collect(self) -> list[Outcome]:
        return [
            Outcome("drop", "rules", "short", o.uid, "docs.rejected", b"", kin=("zh", "", "", "", False, 3))
            if b"drop" in o.value
            else o
            for o in super().collect()
        ]


def test_a_unit_tells_its_drops_and_letters(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents an end that is not told, and a word about documents that go on."""
    for name in ("docs.raw", "docs.parsed", "docs.raw.dlq"):
        broker.create_topic(name, 2)
    topology = Topology(TABLE, ())
    it = UnitLoop(settings, topology, topology.chain(["placed"]), "0", broker=broker, sandbox=Dropping)  # type: ignore[arg-type]
    publish(
        broker, "docs.raw", document(1, text="a"), document(2, text="drop"), document(3, text="raise"),
        Document(text="raise").SerializeToString(),
    )  # fmt: skip
    for _ in range(6):
        it.round()
    assert told(broker) == {("DROPPED", 2): 1, ("DEAD", 3): 1, ("UNREADABLE", 0): 1}
    publish(broker, "docs.raw", document(4, text="b"))
    with broker.log() as log:
        before = log.ends(["river.tally"])
        for _ in range(6):
            it.round()
        assert log.ends(["river.tally"]) == before


class Whims:
    """Does with a document what its text says."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []

    def restore(self, log: Sequence[Message]) -> None:
        """It has no log."""

    def wants(self) -> Collection[str]:
        return ("docs.mixed",)

    def feed(self, messages: Sequence[Message]) -> None:
        self._waiting += messages

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        found = [(m, m.document) for m in self._waiting if m.document is not None]
        self._waiting = []
        if not found:
            return None
        by = {text: [d for _, d in found if d.text == text] for text in ("drop", "put", "later", "now")}
        return Step(
            [Output("docs.out", d) for d in by["now"]],
            {"docs.mixed": found[-1][0].offset + 1},
            dropped=[(d, "whim", "") for d in by["drop"]],
            part="p" if by["put"] else "",
            records=[PartRecord(uid=d.uid, use=d.use) for d in by["put"]],
            aside=[d.uid for d in by["later"]],
            resumed=[d.uid for d in by["now"]],
        )


WHIMS = LaneService("whims", NoConfig, lambda *_: Whims(), drop_reasons=frozenset({"whim"}))


def test_a_lane_tells_what_its_step_says(broker: MemoryBroker, settings: Settings) -> None:
    """Prevents a part whose documents did not come to their end, and a drop that did not."""
    for name in ("docs.mixed", "docs.mixed.dlq", "docs.out"):
        broker.create_topic(name, 2)
    topology = Topology(TABLE, ())
    it = LaneLoop(settings, topology, topology.service("whims"), "0", broker=broker)
    publish(
        broker, "docs.mixed", b"\xff\xff", document(1, text="drop", use=1), document(2, text="put", use=1),
        document(3, text="put", use=2), document(4, text="later"), document(5, text="now"),
        document(6, text="drop", use=2),
    )  # fmt: skip
    for _ in range(4):
        it._once()
    assert told(broker) == {
        ("DROPPED", 1): 1, ("PART", 2): 1, ("AGAIN", 3): 1, ("ASIDE", 4): 1, ("RESUMED", 5): 1,
        ("LEFT_AGAIN", 6): 1, ("ANNOUNCED", 0): 1, ("UNREADABLE", 0): 1,
    }  # fmt: skip
    with broker.log() as log:
        assert [Rejection.FromString(r.value).document.uid for r in log.read_all("docs.rejected")] == [1, 6]
    publish(broker, "docs.mixed", b"\xff\xff")  # nothing follows it
    for _ in range(4):
        it._once()
    assert told(broker)["UNREADABLE", 0] == 2
