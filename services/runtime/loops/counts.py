"""What verdicts and steps counted, once it is committed."""

from __future__ import annotations

from collections.abc import Iterable

from services.runtime import metrics
from services.runtime.contracts.verdict import Count


def count(service: str, counts: Iterable[Count]) -> None:
    """Add up first: thousands of documents have a few labels between them."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for name, labels, number in counts:
        found[name, labels] = found.get((name, labels), 0) + number
    for (name, labels), number in found.items():
        metrics.COUNTED[name].labels(service, *labels).inc(number)
