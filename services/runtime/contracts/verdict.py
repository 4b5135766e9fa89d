"""The verdicts: what may become of a document in a unit. There is no fourth outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import Message

from contracts import Document


@dataclass(frozen=True, slots=True)
class Also:
    """A message sent beside the document, in the same transaction.

    value: None is a tombstone. spread: chooses the partition (modulo the topic's number of them).
    """

    topic: str
    value: Message | None
    key: bytes
    spread: int


class Count(NamedTuple):
    """Something to be counted: one of metrics.COUNTED, its labels but for the service, how much."""

    name: str
    labels: tuple[str, ...]
    number: float = 1


@dataclass(frozen=True, slots=True)
class Emit:
    """The document goes on, as the unit left it.

    observed: values by the name of one of metrics.OBSERVED, which gets them when the document is committed.
    counted: likewise.
    """

    document: Document
    also: tuple[Also, ...] = ()
    observed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    counted: Sequence[Count] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """The document leaves the river, for a reason that a person can check. observed, counted: as of Emit."""

    reason: str
    measured: float | None = None
    threshold: float | None = None
    detail: str = ""
    also: tuple[Also, ...] = ()
    observed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    counted: Sequence[Count] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """The document cannot be processed: it becomes a dead letter."""

    error: str


Verdict = Emit | Drop | Reject
