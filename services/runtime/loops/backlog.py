"""What waits between units that used to run apart and now run joined: nobody else reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from kafka import TopicPartition

from services.runtime.clients.broker import Broker, Consumer
from services.runtime.topology import Chain

_LOOK_S = 30.0  # between two looks: a process of the former grouping may run on for a while


class Round(Protocol):
    """A loop that can be gone round once at a time."""

    @property
    def idle(self) -> bool:
        """Nothing is in hand."""

    def round(self) -> None:
        """Take, judge and commit what there is now."""

    def close(self) -> None:
        """Finish and let go."""


class Backlog:
    """Runs the rest of a chain over what waits before its inner units, until there is nothing more.

    make: the loop of a part of the chain, under the group of its first unit, which has the offsets.
    """

    def __init__(self, chain: Chain, broker: Broker, make: Callable[[Chain], Round]) -> None:
        inner = range(1, len(chain.services))
        self._parts = {part.name: part for part in (Chain(chain.services[i:]) for i in inner)}
        self._broker = broker
        self._make = make
        self._loops: dict[str, Round] = {}
        self._looked = float("-inf")

    def round(self, idle: bool, consumer: Consumer | None) -> None:
        """Between two rounds of the chain's own loop, which has this consumer.

        Raises what that may raise, KafkaError.
        """
        for name, loop in list(self._loops.items()):
            loop.round()
            if loop.idle and not self._waiting([name]):
                loop.close()
                del self._loops[name]
        if self._parts and idle and consumer is not None and time.monotonic() - self._looked > _LOOK_S:
            self._looked = time.monotonic()
            others = [name for name in self._parts if name not in self._loops]
            # Where units never ran apart there is nothing, which is told without a client for each.
            for name in self._waiting(
                [name for name in others if _any_there(consumer, self._parts[name].input)]
            ):
                self._loops[name] = self._make(self._parts[name])

    def close(self) -> None:
        """The parts under way go on with the next start."""
        for loop in self._loops.values():
            loop.close()
        self._loops.clear()

    def _waiting(self, names: Sequence[str]) -> list[str]:
        found = []
        for name in names:
            member = self._broker.consumer(name)
            try:
                places = _places(member, self._parts[name].input)
                committed = member.committed_offsets(places)
                starts, ends = member.beginning_offsets(places), member.end_offsets(places)
            finally:
                member.close(autocommit=False, timeout_ms=1000)
            if any(committed.get(tp, starts[tp]) < ends[tp] for tp in places):
                found.append(name)
        return found


def _places(consumer: Consumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]


def _any_there(consumer: Consumer, topic: str) -> bool:
    """Whether a topic holds anything at all."""
    places = _places(consumer, topic)
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    return any(starts[tp] < ends[tp] for tp in places)
