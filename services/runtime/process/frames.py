"""What a service process and its worker say to each other.

What goes over by the thousand is a tuple: pickling one takes a fraction of the time of a dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contracts import Document, PartRecord
from services.runtime.contracts.verdict import Count
from services.runtime.wire import stored_bytes

# Kafka's id of a topic, and the partition: where an offset is of, also outside Kafka.
Place = tuple[str, int]

REDRIVEN_HEADER = "redriven"

# What a document is counted by: language, category, format, bucket, whether it has a rank; and its tokens.
Kin = tuple[str, str, str, str, bool, int]


def kin_of(document: Document | PartRecord) -> Kin:
    """What it is counted by."""
    return (
        document.language,
        document.category,
        document.format,
        document.bucket,
        document.HasField("rank"),
        document.num_tokens,
    )


class Item(NamedTuple):
    """One message for the units: its value and where it was read.

    redriven: of a former dead letter, "topic id/partition/offset" of where it was first read.
    stored: bytes of it that lie in the object store.
    """

    value: bytes
    topic: str
    partition: int
    offset: int
    redriven: str = ""
    stored: int = 0

    @property
    def num_bytes(self) -> int:
        """Of the whole document."""
        return len(self.value) + self.stored


def item_of(record: Any) -> Item:
    """The item of a Kafka record."""
    redriven = ""
    if record.headers:
        redriven = dict(record.headers).get(REDRIVEN_HEADER, b"").decode(errors="replace")
    value = record.value or b""
    return Item(value, record.topic, record.partition, record.offset, redriven, stored_bytes(value))


def sliced(items: Sequence[Item], max_documents: int, max_bytes: int) -> list[Sequence[Item]]:
    """The items in order, cut where either bound would be passed; what is larger alone is a slice by itself.

    What follows a slice is cut as it would be without it.
    """
    slices: list[Sequence[Item]] = []
    start, num_bytes = 0, 0
    for index, item in enumerate(items):
        if index > start and (index - start == max_documents or num_bytes + item.num_bytes > max_bytes):
            slices.append(items[start:index])
            start, num_bytes = index, 0
        num_bytes += item.num_bytes
    if start < len(items):
        slices.append(items[start:])
    return slices


def first_place(redriven: str) -> tuple[str, int, int] | None:
    """(topic id, partition, offset) of an Item's `redriven`; None where it says nothing of the kind."""
    topic_id, _, rest = redriven.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic_id and partition.isdecimal() and offset.isdecimal()):
        return None
    return topic_id, int(partition), int(offset)


@dataclass(frozen=True, slots=True)
class Batch:
    """slices: the documents of a call of the units each. committed: what Kafka did since the last batch.

    begin: what the group has committed of all partitions, when partitions came or the worker is new.
    reached: what will be committed once the units have written down that they judged everything below.
    """

    slices: Sequence[Sequence[Item]]
    committed: Mapping[Place, int] = field(default_factory=dict)
    begin: Mapping[Place, int] | None = None
    reached: Mapping[Place, int] = field(default_factory=dict)


class Beside(NamedTuple):
    """A message that goes with a document; see Also."""

    topic: str
    value: bytes | None
    key: bytes
    spread: int


class Outcome(NamedTuple):
    """What became of one message. outcome: emit, drop or dead. kin: of what was dropped."""

    outcome: str
    unit: str = ""
    reason: str = ""
    uid: int = 0
    topic: str = ""
    value: bytes = b""
    error: str = ""
    stack: str = ""
    also: Sequence[Beside] = ()
    observed: Sequence[tuple[str, float]] = ()  # for metrics.OBSERVED
    counted: Sequence[Count] = ()
    kin: Kin | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A slice that raised. dependency: which server was down, if that is why."""

    unit: str
    error: str
    stack: str
    dependency: str = ""
