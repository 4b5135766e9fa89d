"""A lane in memory: topics as lists, committed offsets, and a task that can be killed at any step."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import Message as ProtoMessage

from contracts import Document
from services.runtime import LaneTask, Message, RereadingTask, Step
from services.runtime.topics import CONTROL


class Lane:
    """Drives one task as the runtime does: feed what it wants, step, commit all of a step or nothing.

    Like Kafka it leaves holes in the offsets, where transaction markers lie, and like Kafka it hands out
    a new copy of a message at each delivery.
    """

    def __init__(
        self,
        build: Callable[[], LaneTask],
        inputs: Sequence[str],
        logs: Sequence[str],
        seed: int = 0,
        max_chunk: int = 50,
        tails: Sequence[str] = (),
        since: Callable[[Sequence[Message]], Mapping[str, int]] = lambda tails: {},
    ) -> None:
        self._build = build
        self._inputs = inputs
        self._logs = logs
        self._tails = tails
        self._since = since
        self.num_read = 0  # messages of logs, at all starts
        self._random = random.Random(seed)
        self._max_chunk = max_chunk
        self._ends: dict[str, int] = defaultdict(int)
        self.now = 1_000_000.0
        self.topics: dict[str, list[Message]] = defaultdict(list)
        self.committed: dict[str, int] = defaultdict(int)
        self.dropped: list[tuple[Document, str, str]] = []
        self.steps: list[Step] = []
        self.num_kills = 0
        self.start()

    def put(
        self, topic: str, *values: ProtoMessage | None, hole: bool = False, key: bytes | None = None
    ) -> None:
        """Append to a topic, and leave a hole where a transaction's marker would lie."""
        for value in values:
            message = Message(topic, 0, self._ends[topic], key, value, int(self.now * 1000))
            self.topics[topic].append(message)
            self._ends[topic] += 1
        self._ends[topic] += hole

    def values(self, topic: str) -> list[ProtoMessage | None]:
        return [message.value for message in self.topics[topic]]

    def start(self) -> None:
        """Build the task and give it its logs, as after a rebalance."""
        self.task = self._build()
        self._position = dict(self.committed)
        log = []
        for topic in self._tails:
            log += [_copy(m) for m in self.topics[topic][-1:]]
        since = self._since(log)
        for topic in self._logs:
            end = self.committed[topic] if topic in self._inputs else self._ends[topic]
            log += [_copy(m) for m in self.topics[topic] if since.get(topic, 0) <= m.offset < end]
        self.num_read += len(log)
        self.task.restore(log)

    def feed(self) -> bool:
        """Hand over random chunks of the wanted topics; whether there was anything."""
        fed = False
        for topic in self._random.sample(list(self._inputs), len(self._inputs)):
            if topic not in self.task.wants():
                continue
            chunk = self._unread(topic)[: self._random.randint(1, self._max_chunk)]
            if chunk:
                self.task.feed([_copy(m) for m in chunk])
                self._position[topic] = chunk[-1].offset + 1
                fed = True
        return self._feed_again() or fed

    def _feed_again(self) -> bool:
        if not isinstance(self.task, RereadingTask):
            return False
        wanted = self.task.wanted_again()
        for topic, (start, stop) in wanted.items():
            found = [_copy(m) for m in self.topics[topic] if start <= m.offset < stop]
            self.task.feed_again(topic, found, stop)
        return bool(wanted)

    def step(self, kill: bool = False) -> bool:
        """One step and its transaction; `kill`: the process dies at a random moment of it."""
        step = self.task.step(self.now, self.drained())
        moment = self._random.choice(["before", "after"]) if kill else None
        if step is not None and moment != "before":
            self._commit(step, skip_committed=moment == "after")
        if kill:
            self.num_kills += 1
            self.start()
        return step is not None

    def run(self, kill_share: float = 0.0) -> None:
        """Until nothing moves any more."""
        while True:
            fed = self.feed()
            stepped = self.step(kill=self._random.random() < kill_share)
            if not fed and not stepped and not self._feed_again() and not self.step():
                return

    def drained(self) -> set[str]:
        return {topic for topic in self._inputs if not self._unread(topic)}

    def _unread(self, topic: str) -> list[Message]:
        messages = self.topics[topic]
        return messages[bisect_left(messages, self._position.get(topic, 0), key=lambda m: m.offset) :]

    def _commit(self, step: Step, skip_committed: bool) -> None:
        for output in step.outputs:
            self.put(output.topic, output.value, key=output.key)
        for topic in {output.topic for output in step.outputs}:
            self._ends[topic] += 1
        for topic, offset in step.consumed.items():
            assert offset > self.committed[topic] or topic == CONTROL, "a step goes forward"
            assert offset >= self.committed[topic]
            self.committed[topic] = offset
        self.dropped += step.dropped
        self.steps.append(step)
        if step.committed is not None and not skip_committed:
            step.committed()


def _copy(message: Message) -> Message:
    if message.value is None:
        return message
    value = type(message.value).FromString(message.value.SerializeToString())
    return Message(message.topic, message.partition, message.offset, message.key, value, message.timestamp_ms)
