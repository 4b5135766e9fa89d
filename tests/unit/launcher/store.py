"""A store with parts in its catalog and events of a run, as the catalog's service and the trainer write them."""

from __future__ import annotations

import hashlib

from contracts import TrainEvent
from services.catalog.entry import Entry
from services.catalog.segments import Segments
from services.launcher.events import segment_key
from services.runtime import ObjectStore
from trainer.events import to_line

RUN = "first"


def memory() -> ObjectStore:
    return ObjectStore("memory:///")


def name_of(number: int) -> str:
    return f"lane-000/part-000-0a1b2c3d-{number:012d}-{number:012d}"


def catalogue(store: ObjectStore, first: int, *parts: tuple[int, str]) -> None:
    """One segment of parts: (tokens, phase)."""
    digest = {suffix: hashlib.sha256(suffix.encode()).hexdigest() for suffix in ("bin", "idx", "jsonl")}
    Segments(store).create(
        [
            Entry(first + n, name_of(first + n), 0, phase, "9f86d081884c7d65", tokens, digest)
            for n, (tokens, phase) in enumerate(parts)
        ]
    )


def say(store: ObjectStore, first: int, *events: TrainEvent, run: str = RUN) -> None:
    """One segment of events."""
    import json

    for number, event in enumerate(events, first):
        event.number, event.run = number, run
    lines = [json.dumps(to_line(event)) + "\n" for event in events]
    assert store.create(segment_key(run, first), "".join(lines).encode())


def step(number: int, tokens: int, *parts: int, loss: float = 3.0) -> TrainEvent:
    return TrainEvent(kind="step", step=number, tokens=tokens, loss=loss, parts=[name_of(n) for n in parts])
