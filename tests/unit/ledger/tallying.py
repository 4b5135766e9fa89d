"""The small river of lists, with a tally beside whatever it sends; and its proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from contracts import Document, PartRecord, Rejection, Tally
from services.ledger.proof import Proof, prove_by
from services.runtime import ObjectStore
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.loops.tally import Told, dead, dropped, put, tally
from services.runtime.topics import MIXED, RAW, REJECTED, SEALED, TALLY
from services.sink.records import to_line
from tests.unit.ledger.test_interrupted import Place, River


def uid(number: int) -> int:
    """Spread over all ranges, as hashes are (Knuth's multiplicative hashing)."""
    return number * 0x9E3779B97F4A7C15 % (1 << 64)


class Tallying(River):
    """store: the object store. happens: is called whenever somebody asks where the topics end."""

    def __init__(self, seed: int = 0, store: ObjectStore | None = None) -> None:
        super().__init__(seed)
        self.store = store or ObjectStore("memory:")
        self.happens: Callable[[], object] = lambda: None
        self.ids = {TALLY: "tally-1", RAW: "raw-1"}
        self.begins = 0  # first offset of river.tally that is left
        self.num_read = 0  # messages of it that were read
        self._silent = False

    def topic_ids(self) -> dict[str, str]:
        return self.ids

    def starts(self, topics: Sequence[str]) -> dict[Place, int]:
        return {(topic, 0): self.begins if topic == TALLY else 0 for topic in topics}

    def settled_ends(self, topics: Sequence[str]) -> dict[Place, int]:
        ends = super().settled_ends(topics)
        self.happens()
        return ends

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Any:
        self.num_read += sum(end - start for (topic, _), (start, end) in ranges.items() if topic == TALLY)
        return super().read(ranges)

    def send(self, topic: str, value: bytes, /, **said: str) -> None:
        super().send(topic, value, **said)
        if topic == RAW:
            self.tell([Told(Tally.CAME, Document.FromString(value).uid)])
        elif topic.endswith(".dlq"):
            headers = dict(self.log[topic][-1].headers)
            known = ERROR_HEADER + "offset" in headers
            self.tell([dead(value, "a unit") if known else Told(Tally.UNREADABLE, 0, "ingest")])
        elif topic == REJECTED:
            said_of = Rejection.FromString(value)
            self.tell([dropped(said_of.document, said_of.unit, said_of.reason)])

    def tell(self, told: Iterable[Told], parts: Sequence[str] = ()) -> None:
        if not self._silent:
            for message in tally(told, parts):
                super().send(message.topic, message.value or b"")

    @contextmanager
    def silently(self) -> Any:
        """Nothing is told of what happens: it goes wrong."""
        self._silent = True
        yield
        self._silent = False

    def _seal(self, records: Sequence[Any]) -> None:
        documents = [Document.FromString(record.value) for record in records]
        rows = [
            PartRecord(id=d.id, uid=d.uid, bucket=d.bucket, use=max(d.use, 1), num_tokens=3)
            for d in documents
        ]
        name = f"lane-000/part-{len(self.log[SEALED])}"
        self.store.put(f"parts/{name}.jsonl", b"".join(map(to_line, rows)))
        self.log[SEALED].append(name)
        self.tell([put(row) for row in rows], [name])

    def run(self, steps: int = 100_000) -> None:
        while steps and self.step():
            steps -= 1

    def lose(self, topic: str, group: str) -> Document:
        """The first message that waits there is passed over."""
        record = self.log[topic][self.groups[group][topic]]
        self.groups[group][topic] += 1
        return Document.FromString(record.value)

    def use_again(self, document: Document, use: int = 2) -> None:
        """As the mixer hands on a document once more."""
        document.use = use
        super().send(MIXED, document.SerializeToString())


def proof_of(river: Tallying) -> Proof:
    return prove_by(river, river, river.store, river.topology, pause=lambda seconds: None)  # type: ignore[arg-type]
