"""A broker in memory, and a worker that judges in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from contracts import Document
from services.runtime import DependencyDown, Settings, load_settings
from services.runtime.process.frames import Item, Outcome, Place
from tests.memory_broker import MemoryBroker


class Worker:
    """In the sandbox's place: everything goes on to `out`, what says "raise" dies; notes what it is told."""

    def __init__(self, *_: Any, standing: Callable[[], Mapping[Place, int]] | None = None, **__: Any) -> None:
        self.topic_ids: Mapping[str, str] = {}
        self.told: list[Mapping[Place, int]] = []
        self.reached: dict[Place, int] = {}
        self.out_of_reach = 0  # times that they cannot write down how far they came
        self.batches: list[list[int]] = []
        self.num_assigned = 0
        self.standing = standing
        self._items: Sequence[Item] = ()

    def start(self) -> None:
        """It runs."""

    def stop(self) -> None:
        """It holds nothing."""
        self._items = ()

    def assigned(self) -> None:
        """Partitions came."""
        self.num_assigned += 1

    def submit(self, items: Sequence[Item], committed: Mapping[Place, int]) -> None:
        """Take a batch."""
        self._items = items
        self.batches.append([item.offset for item in items])
        if committed:
            self.told.append(committed)

    def answered(self) -> bool:
        """At once."""
        return True

    def collect(self) -> list[Outcome]:
        """Its outcomes."""
        return [_judged(item) for item in self._items]

    def tell(self, committed: Mapping[Place, int]) -> None:
        """Note it."""
        self.told.append(committed)

    def reach(self, offsets: Mapping[Place, int]) -> None:
        """Note it, or be unable to."""
        if self.out_of_reach:
            self.out_of_reach -= 1
            raise DependencyDown("redis", "away")
        self.reached |= offsets


def _judged(item: Item) -> Outcome:
    document = Document.FromString(item.value)
    if document.text == "raise":
        return Outcome("dead", "echo", error="it says so")
    return Outcome("emit", "echo", uid=document.uid, topic="docs.parsed", value=item.value)


@pytest.fixture
def settings(clean_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """No wait for more documents than there are."""
    monkeypatch.setattr("services.runtime.loops.intake._IDLE_S", 0.02)
    return load_settings(lanes=2, partitions=2)


@pytest.fixture
def broker(settings: Settings) -> MemoryBroker:
    """With the topics of the runtime."""
    made = MemoryBroker(settings)
    for name in ("river.starts", "river.agreed", "docs.ingested", "docs.rejected", "river.tally"):
        made.create_topic(name)
    return made
