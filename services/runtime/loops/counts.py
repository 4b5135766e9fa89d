"""Metrics of what was done, once it is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from services.runtime import metrics
from services.runtime.contracts.lane import Step
from services.runtime.contracts.verdict import Count
from services.runtime.loops.transaction import Produce
from services.runtime.process.frames import Item, Outcome
from services.runtime.topics import DEAD_LETTER_SUFFIX


def count_batch(
    service: str,
    items: Sequence[Item],
    outcomes: Sequence[Outcome],
    outputs: Sequence[Produce],
    seconds: float,
) -> None:
    """Of units. seconds: since it was given to them."""
    verdicts = Counter((o.unit, o.outcome, o.reason) for o in outcomes)
    for (unit, outcome, reason), number in verdicts.items():
        metrics.DOCUMENTS.labels(service, unit, outcome, reason).inc(number)
    for observed, value in (each for o in outcomes for each in o.observed):
        metrics.OBSERVED[observed].labels(service).observe(value)
    count(service, (each for o in outcomes for each in o.counted))
    metrics.BYTES.labels(service, "in").inc(sum(len(i.value) for i in items))
    metrics.BYTES.labels(service, "out").inc(sum(len(o.value or b"") for o in outputs))
    metrics.BATCH_SECONDS.labels(service).observe(seconds)


def count_steps(
    service: str, steps: Collection[Step], outputs: Sequence[Produce], emits: Collection[str], seconds: float
) -> None:
    """Of lanes, in one transaction. emits: the topics in which a message is a document that went on."""
    metrics.BATCH_SECONDS.labels(service).observe(seconds)
    metrics.BYTES.labels(service, "out").inc(sum(len(o.value or b"") for o in outputs))
    emitted = sum(o.topic in emits and o.value is not None for o in outputs)
    metrics.DOCUMENTS.labels(service, service, "emit", "").inc(emitted)
    for reason, number in Counter(reason for step in steps for _, reason, _ in step.dropped).items():
        metrics.DOCUMENTS.labels(service, service, "drop", reason).inc(number)
    dead = sum(o.topic.endswith(DEAD_LETTER_SUFFIX) for o in outputs)
    metrics.DOCUMENTS.labels(service, service, "dead", "").inc(dead)
    count(service, (each for step in steps for each in step.counted))


def count(service: str, counts: Iterable[Count]) -> None:
    """Add up first: thousands of documents have a few labels between them."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for name, labels, number in counts:
        found[name, labels] = found.get((name, labels), 0) + number
    for (name, labels), number in found.items():
        metrics.COUNTED[name].labels(service, *labels).inc(number)
