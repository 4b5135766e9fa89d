"""Which inputs the lanes of a process have read to their ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property

from kafka import TopicPartition

from services.runtime.clients.broker import Consumer
from services.runtime.loops.lane_inputs import LaneInputs
from services.runtime.loops.transaction import Produce


class ReadOut:
    """Asked of the broker for all lanes at once, and kept until something comes."""

    def __init__(self, inputs: LaneInputs) -> None:
        self._inputs = inputs
        self._drained: dict[int, set[str]] = {}
        self._returned: dict[TopicPartition, int] = {}  # where an input stood as its lane put something there

    def of(self, consumer: Consumer, held: Sequence[TopicPartition], lane: int) -> set[str]:
        """Inputs of a lane of which all that is committed has been read; asked until that is so of all."""
        if sum(map(len, self._drained.values())) < len(held):
            self._drained = {}
            for tp, end in consumer.end_offsets(held).items():
                position = consumer.position(tp)
                if position is not None and position >= end and position > self._returned.get(tp, -1):
                    self._drained.setdefault(self._inputs.lane(tp), set()).add(self._inputs.name(tp))
        return self._drained.get(lane, set())

    def returned(self, consumer: Consumer, outputs: Sequence[Produce]) -> None:
        """What lanes have put into inputs of their own is still to be read, though these were read out.

        The broker may not show it yet: it answers before it marks what a transaction has written.
        """
        topics = {*self._inputs.topics}
        for tp in {TopicPartition(o.topic, o.partition) for o in outputs if o.topic in topics}:
            self._drained.get(self._inputs.lane(tp), set()).discard(self._inputs.name(tp))
            self._returned[tp] = consumer.position(tp) or 0

    def came(self) -> None:
        """Something has come: all is to be asked again."""
        self._drained = {}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """These are read by another process from now on."""
        self._drained = {}
        for tp in partitions:
            self._returned.pop(tp, None)


class Drained(Collection[str]):
    """Names of inputs with nothing left to read, found when a task first asks: most steps depend on none, and
    each question costs the broker and the client a millisecond of CPU.
    """

    def __init__(self, find: Callable[[], Collection[str]]) -> None:
        self._find = find

    @cached_property
    def _names(self) -> Collection[str]:
        return self._find()

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
