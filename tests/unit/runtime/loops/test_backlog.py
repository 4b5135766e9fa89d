"""What waits between joined units is found, and where nothing ever did nobody asks for it by name."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from services.runtime import Settings
from services.runtime.loops.backlog import Backlog
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topology import Topology
from tests.memory_broker import MemoryBroker

TABLE = {
    "services": {
        "first": {"run": "nowhere:UNIT", "input": "docs.a", "output": "docs.b"},
        "second": {"run": "nowhere:UNIT", "input": "docs.b", "output": "docs.c"},
    },
    "topics": {name: {"holds": "Document", "by": "partitions"} for name in ("docs.a", "docs.b", "docs.c")},
}


@dataclass
class Part:
    """A loop that has done all after one round."""

    idle: bool = True
    rounds: list[str] = field(default_factory=list)

    def round(self) -> None:
        self.rounds.append("round")

    def close(self) -> None:
        self.rounds.append("closed")


def test_nobody_joins_a_group_for_a_topic_that_is_empty(
    broker: MemoryBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: three connections for each joined unit, at every start and each half minute at rest."""
    for name in TABLE["topics"]:
        broker.create_topic(name, 2)
    monkeypatch.setattr("services.runtime.loops.backlog._LOOK_S", -1.0)
    topology, part, own = Topology(TABLE, ()), Part(), broker.consumer("first")
    backlog = Backlog(topology.chain(["first", "second"]), broker, lambda _: part)
    asked: list[str] = []
    make = broker.consumer
    monkeypatch.setattr(broker, "consumer", lambda group: asked.append(group) or make(group))
    backlog.round(True, None)
    backlog.round(True, own)
    assert asked == []
    Transactions(settings, "before", "before", broker).commit(
        [Produce("docs.b", b"one", partition=1)], {}, None
    )
    backlog.round(False, own)
    assert asked == [], "while something is in hand"
    backlog.round(True, own)
    assert asked == ["second"]
    backlog.round(True, own)
    assert part.rounds == ["round"]
