"""What a batch of a unit becomes in Kafka: messages, offsets, and what the ledger is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from contracts import Tally
from services.runtime.loops.deadletter import dead_letter
from services.runtime.loops.tally import Told, dead
from services.runtime.loops.transaction import Produce
from services.runtime.process.frames import Item, Outcome


def told(items: Sequence[Item], outcomes: Sequence[Outcome]) -> Iterator[Told]:
    """The documents of a batch that came to an end in it."""
    for item, outcome in zip(items, outcomes, strict=True):
        if outcome.outcome == "dead":
            yield dead(item.value, outcome.unit)
        elif outcome.outcome == "drop":
            yield Told(Tally.DROPPED, outcome.uid, outcome.unit, outcome.reason, outcome.kin)


def produced(
    items: Sequence[Item],
    outcomes: Sequence[Outcome],
    topic_id: str,
    spread: Mapping[str, Sequence[int]],
) -> list[Produce]:
    """The messages of a batch, in the order of its documents. topic_id: of the topic they came from.

    spread: by topic, the numbers of partitions that it ever had, for those where what is sent beside a
    document must reach the partition of another that came in long ago.
    """
    outputs: list[Produce] = []
    for item, outcome in zip(items, outcomes, strict=True):
        if outcome.outcome == "dead":
            outputs.append(dead_letter(item, outcome, topic_id))
        else:
            key = outcome.uid.to_bytes(8, "big") if outcome.outcome == "emit" else None  # of pools, compacted
            outputs.append(Produce(outcome.topic, outcome.value, key, spread=outcome.uid))
        for b in outcome.also:
            if (numbers := spread.get(b.topic)) is None:
                outputs.append(Produce(b.topic, b.value, key=b.key, spread=b.spread))
            else:
                where = sorted({b.spread % number for number in numbers})
                outputs += [Produce(b.topic, b.value, key=b.key, partition=p) for p in where]
    return outputs
