"""What a broker keeps of dedup's batches: enough to lose the index and to make it again."""

from __future__ import annotations

import random
from collections.abc import Sequence

from contracts import DedupRecord, Document
from services.dedup import Deduplicator
from services.runtime import Reject, Verdict, topics

PLACE = ("topic-a", 0)


def placed(documents: Sequence[Document], start: int = 0) -> list[Document]:
    for offset, document in enumerate(documents, start):
        document.position.topic, document.position.topic_id = "docs.scored", PLACE[0]
        document.position.partition, document.position.offset = PLACE[1], offset
    return list(documents)


class Kafka:
    """What a broker keeps of the batches that were committed: the log, compacted, and the offset."""

    def __init__(self) -> None:
        self.offset = 0
        self.log: dict[bytes, DedupRecord] = {}

    def judge(self, judge: Deduplicator, documents: Sequence[Document], size: int = 50) -> list[Verdict]:
        found: list[Verdict] = []
        for start in range(0, len(documents), size):
            batch = [Document.FromString(d.SerializeToString()) for d in documents[start : start + size]]
            verdicts = judge(batch)
            judge.reached({PLACE: batch[-1].position.offset + 1})
            found += verdicts
            self.commit(judge, batch[-1].position.offset + 1, verdicts)
        return found

    def commit(self, judge: Deduplicator, offset: int, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            for also in () if isinstance(verdict, Reject) else verdict.also:
                if also.topic == topics.DEDUP_LOG:
                    assert isinstance(also.value, DedupRecord)
                    self.log[also.key] = also.value
        self.offset = offset
        judge.committed({PLACE: offset})

    def records(self, seed: int = 0) -> list[DedupRecord]:
        """In any order: partitions are read side by side, and how is another thing each time."""
        found = [DedupRecord.FromString(each.SerializeToString()) for each in self.log.values()]
        random.Random(seed).shuffle(found)
        return found


def said(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    """All of a verdict but the document, which it shares with its input."""
    return [
        (type(verdict), getattr(verdict, "reason", ""), getattr(verdict, "measured", None), verdict.detail
         if hasattr(verdict, "detail") else "", {(a.topic, a.key, str(a.value)) for a in verdict.also})
        for verdict in verdicts
        if not isinstance(verdict, Reject)
    ]  # fmt: skip
