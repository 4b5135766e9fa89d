"""Reading topics from outside any group."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from services.runtime.clients.kafka import PATIENCE_S, consumer, patiently
from services.runtime.clients.reach import admitted
from services.runtime.errors import DependencyDown
from services.runtime.settings import Settings

_TAIL = 4  # messages that are looked at first where the last one is wanted


class Log:
    """Reads topics from outside any group: for reports, lane state and the ledger. A context manager."""

    def __init__(self, settings: Settings, make: Callable[..., Any] = consumer) -> None:
        """make: where the clients come from, which is Kafka but in unit tests."""
        self._settings = settings
        admitted(settings.kafka)
        try:
            self._consumer = make(settings, None, max_records=5000)
        except KafkaError as error:
            raise DependencyDown(f"Kafka at {settings.kafka.bootstrap_servers}", error) from error

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def topics(self) -> set[str]:
        """Every topic that there is."""
        found: set[str] = patiently(self._consumer.topics)
        return found

    def topic_ids(self) -> dict[str, str]:
        """Kafka's id of every topic that there is."""
        found: dict[str, str] = patiently(self._consumer.topic_ids)
        return found

    def partitions(self, topic: str) -> list[TopicPartition]:
        """Its partitions; none when there is no such topic."""
        found = patiently(lambda: self._consumer.partitions_for_topic(topic))
        return [TopicPartition(topic, p) for p in sorted(found or ())]

    def starts(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset of the oldest message that is left."""
        wanted = [tp for topic in topics for tp in self.partitions(topic)]
        found = patiently(lambda: self._consumer.beginning_offsets(wanted)) if wanted else {}
        return {tuple(tp): start for tp, start in found.items()}

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """(topic, partition) -> end of what is committed."""
        wanted = [tp for topic in topics for tp in self.partitions(topic)]
        found = patiently(lambda: self._consumer.end_offsets(wanted)) if wanted else {}
        return {tuple(tp): end for tp, end in found.items()}

    def since(self, topics: Sequence[str], at_ms: int) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset of the first message from this time on (Unix, ms), or its end."""
        ends = self.ends(topics)
        wanted = [TopicPartition(*tp) for tp in ends]
        asked = {tp: max(at_ms, 0) for tp in wanted}
        found = patiently(lambda: self._consumer.offsets_for_times(dict(asked))) if wanted else {}
        return {tp: min(mark.offset, end) if (mark := found.get(tp)) else end for tp, end in ends.items()}

    def first(self, topics: Sequence[str]) -> dict[tuple[str, int], Any]:
        """(topic, partition) -> its oldest committed record; none of those that have none."""
        starts, ends = self.starts(topics), self.ends(topics)
        ranges = {tp: (start, ends[tp]) for tp, start in starts.items()}
        found = {tp: next(self.read({tp: within}), None) for tp, within in ranges.items()}
        return {tp: record for tp, record in found.items() if record is not None}

    def settled_ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """As ends, once every transaction that has written there by now is decided.

        A commit reaches its partitions one after another: a group's new offsets can be seen before the
        outputs that belong to them. Who compares the two reads the offsets first and then these ends.
        Raises DependencyDown when a transaction stays open beyond its timeout.
        """
        wanted = [tp for topic in topics for tp in self.partitions(topic)]
        written = patiently(lambda: self._consumer.written_ends(wanted)) if wanted else {}
        deadline = time.monotonic() + self._settings.kafka.transaction_timeout_s + PATIENCE_S
        while True:
            ends = self.ends(topics)
            if all(ends[tuple(tp)] >= end for tp, end in written.items()):
                return ends
            if time.monotonic() > deadline:
                raise DependencyDown("Kafka", f"a transaction on one of {', '.join(topics)} stays open")
            time.sleep(0.02)

    def read(
        self,
        ranges: Mapping[tuple[str, int], tuple[int, int]],
    ) -> Iterator[Any]:
        """Committed records of each (topic, partition) from start (inclusive) to end (exclusive)."""
        todo = {TopicPartition(*tp): r for tp, r in ranges.items() if r[0] < r[1]}
        if not todo:
            return
        self._consumer.assign(list(todo))
        self._consumer.resume(*self._consumer.paused())  # a partition that stays keeps its pause
        for tp, (start, _) in todo.items():
            self._consumer.seek(tp, start)
        while todo:
            for tp, records in patiently(lambda: self._consumer.poll(timeout_ms=200)).items():
                for record in records:
                    if tp in todo and record.offset < todo[tp][1]:
                        yield record
            # position, not the last record: transaction markers take offsets of their own
            places = patiently(lambda: {tp: self._consumer.position(tp) for tp in todo})
            done = [tp for tp, (_, end) in todo.items() if places[tp] >= end]
            for tp in done:
                del todo[tp]
            if done:
                self._consumer.pause(*done)

    def last(self, topic: str, partition: int) -> Any | None:
        """The last committed record of a partition; a few messages are read, however many there are.

        A transaction's marker lies behind it, and what was aborted may: so it is looked for backwards.
        """
        place = topic, partition
        start, end = self.starts([topic]).get(place, 0), self.settled_ends([topic]).get(place, 0)
        stretch = _TAIL
        while end > start:
            low = max(start, end - stretch)
            found = list(self.read({place: (low, end)}))
            if found:
                return found[-1]
            end, stretch = low, 2 * stretch
        return None

    def read_all(self, *topics: str) -> Iterator[Any]:
        """Committed records of whole topics."""
        starts = self.starts(topics)
        ends = self.settled_ends(topics)
        yield from self.read({tp: (start, ends[tp]) for tp, start in starts.items()})
