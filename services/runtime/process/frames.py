"""What a service process and its worker say to each other.

What goes over by the thousand is a tuple: pickling one takes a fraction of the time of a dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Item(NamedTuple):
    """One message for the units: its value and where it was read."""

    value: bytes
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Batch:
    """slice: documents per call of the units. committed: what Kafka has committed since the last batch."""

    items: Sequence[Item]
    slice: int
    committed: Mapping[tuple[str, int], int] = field(default_factory=dict)


class Beside(NamedTuple):
    """A message that goes with a document; see Also."""

    topic: str
    value: bytes | None
    key: bytes
    spread: int


class Outcome(NamedTuple):
    """What became of one message. outcome: emit, drop or dead."""

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


@dataclass(frozen=True, slots=True)
class Failed:
    """A slice that raised. dependency: which server was down, if that is why."""

    unit: str
    error: str
    stack: str
    dependency: str = ""
