"""The verdicts: what may become of a document in a unit. There is no fourth outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Emit:
    """The document goes on, as the unit left it.

    observed: values by the name of one of metrics.OBSERVED, which gets them when the document is committed.
    """

    document: Document
    also: tuple[Also, ...] = ()
    observed: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drop:
    """The document leaves the river, for a reason that a person can check. observed: as of Emit."""

    reason: str
    measured: float | None = None
    threshold: float | None = None
    detail: str = ""
    also: tuple[Also, ...] = ()
    observed: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """The document cannot be processed: it becomes a dead letter."""

    error: str


Verdict = Emit | Drop | Reject
