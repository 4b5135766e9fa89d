"""What a source's process and the process that reads for it say to each other."""

from __future__ import annotations

from typing import Any, NamedTuple

# Steps of a reader that its process has made and not told. They are made again after its death, and one of
# them may be to blame.
MAX_UNTOLD = 64


class Task(NamedTuple):
    """What is to be read. began_ms: of the import. careful: tell each step at once."""

    config: Any
    began_ms: int | None
    careful: bool
    memory_limit_bytes: int


class Asked(NamedTuple):
    """Sources, serialised: which are to be read? The answer is a tuple like Taken, of serialised ones."""

    sources: list[bytes]


class Began(NamedTuple):
    """A Reading: the serialised IngestProgress of the source that is touched next."""

    progress: bytes


class Step(NamedTuple):
    """A Read. documents: (uid, serialised); unreadable: (source, head, error)."""

    documents: list[tuple[int, bytes]]
    progress: bytes
    unreadable: list[tuple[str, bytes, str]]


class Raised(NamedTuple):
    """The reader raised, and has ended with it."""

    error: str


class Finished(NamedTuple):
    """There is no more."""


Frame = list[Began | Step | Asked | Raised | Finished]
