"""A lane service: a deterministic fold over one lane (partition i of its topics).

The mixer and the sink are lane services. One that *gathers*, as the catalog, has a single task instead, over
all partitions of its inputs, as lane 0: what it writes goes into partition 0. The runtime polls, hands the
task its messages, and puts what a step returns into one transaction: outputs, consumed offsets and state
stand or fall together. A task never does Kafka I/O; after an abort or a rebalance it is thrown away and built
again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from google.protobuf.message import Message as ProtoMessage

from contracts import Document, PartRecord
from services.runtime.contracts.verdict import Count

if TYPE_CHECKING:
    from services.runtime.resources import Resources
    from services.runtime.settings import Settings


def place(topic: str, partition: int) -> str:
    """The name of an input of a task that gathers; that of an ordinary lane is its topic."""
    return f"{topic}/{partition}"


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka record, decoded."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: ProtoMessage | None  # None for a tombstone
    timestamp_ms: int

    @property
    def document(self) -> Document | None:
        """The value if it is a document, else None."""
        return self.value if isinstance(self.value, Document) else None


@dataclass(frozen=True, slots=True)
class Output:
    """A message to produce; the partition is the lane of the step. value: None for a tombstone."""

    topic: str
    value: ProtoMessage | None
    key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction of a lane does.

    consumed: for each input, the offset after the last message that is done with. An input is a topic's name,
        or a `place` where the service gathers.
    dropped: (document, unit-style reason, detail) that leave here; they go to docs.rejected.
    records: of the part that is announced in this step; part: its name. Who comes there first has its end.
    aside: uids of documents that are passed over for now (their offset counts as consumed) and are taken from
        there later, or dropped; resumed: of those with which that happens now. Untold they are missing.
    committed: called once the transaction is in the log; must be idempotent, a crash may skip it.
    counted: see verdict.Count.
    """

    outputs: Sequence[Output]
    consumed: Mapping[str, int]
    dropped: Sequence[tuple[Document, str, str]] = ()
    committed: Callable[[], None] | None = None
    part: str = ""
    records: Sequence[PartRecord] = ()
    aside: Sequence[int] = ()
    resumed: Sequence[int] = ()
    counted: Sequence[Count] = ()


class LaneTask(Protocol):
    """The fold of one lane. Calls come in this order: restore once, then (feed, step)*.

    It may have a property `starved`, true while it waits for input that is needed for its output to be right;
    and a property `since`: when the oldest came of what it holds and has not written, by the clock of step;
    or None.
    One that reads inputs again is a RereadingTask.
    """

    def restore(self, log: Sequence[Message]) -> None:
        """Take up the state: all messages of the service's `logs` topics for this lane, oldest first."""

    def wants(self) -> Collection[str]:
        """Input topics from which it would take more now; the others are paused."""

    def feed(self, messages: Sequence[Message]) -> None:
        """Messages in offset order within a topic."""

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Do what can be done, or None. now: Unix seconds. drained: inputs with nothing left to read.

        An input is named as in Step.
        """


@runtime_checkable
class RereadingTask(LaneTask, Protocol):
    """A lane that reads stretches of its inputs again, beside what comes."""

    def wanted_again(self) -> Mapping[str, tuple[int, int]]:
        """By input: offsets [start, stop) to be read again; a moderate stretch, that is read at once."""

    def feed_again(self, topic: str, messages: Sequence[Message], reached: int) -> None:
        """What stands there, in offset order. reached: the offset up to which it was read."""


@dataclass(frozen=True)
class LaneService:
    """A named lane fold and how to build it.

    inputs: topics consumed with offsets, `{bucket}` expanded over the recipe's buckets.
    logs: topics read from their beginning when a lane is taken up (compacted or small).
        For a topic that is also an input the log ends at the committed offset.
    tails: topics of which the last message alone is read then, before the logs, however long they are.
    since: by topic of the logs, the offset from which it is needed, told from the tails.
    gathers: one task for all partitions of the inputs, held by one process; further ones wait. Where its logs
        and tails are empty it begins at the beginning of its inputs, whatever its offsets say.
    drop_reasons: as in Unit.
    reached: by input, the offset after what is done, told from the lane's logs; where the service goes on
        when its offset in Kafka is lost; without it everything is read again. Its second argument: Kafka's
        ids of topics by name.
    agrees: as in Unit.
    """

    name: str
    config: type[Any]
    build: Callable[[Any, Resources, int], LaneTask]
    logs: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    since: Callable[[Sequence[Message]], Mapping[str, int]] = lambda tails: {}
    gathers: bool = False
    drop_reasons: frozenset[str] = field(default_factory=frozenset)
    reached: Callable[[Sequence[Message], Mapping[str, str]], Mapping[str, int]] = lambda log, topic_ids: {}
    agrees: Callable[[Any, Settings], Mapping[str, str]] = lambda config, settings: {}
