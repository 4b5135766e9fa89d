"""Which partitions a lane reads, and what its task calls them."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import TopicPartition

from services.runtime.clients.broker import Consumer
from services.runtime.contracts.lane import place


class LaneInputs:
    """Of a service: lane i reads partition i of each topic; who gathers has one, which reads all of them."""

    def __init__(self, topics: Sequence[str], *, gathers: bool) -> None:
        self.topics = topics
        self._gathers = gathers

    def lane(self, tp: TopicPartition) -> int:
        """That reads a partition."""
        return 0 if self._gathers else int(tp.partition)

    def name(self, tp: TopicPartition) -> str:
        """What a task calls this input of its."""
        return place(*tp) if self._gathers else str(tp.topic)

    def of(self, consumer: Consumer, lane: int) -> dict[str, TopicPartition]:
        """All inputs of a lane by name; none while a topic is not known yet."""
        if not self._gathers:
            return {topic: TopicPartition(topic, lane) for topic in self.topics}
        partitions = {topic: consumer.partitions_for_topic(topic) or set() for topic in self.topics}
        if not all(partitions.values()):
            return {}
        found = [TopicPartition(topic, p) for topic, known in partitions.items() for p in sorted(known)]
        return {self.name(tp): tp for tp in found}
