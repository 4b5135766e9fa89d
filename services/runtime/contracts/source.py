"""A source: reads documents from outside the river, and says how far it has come.

The runtime publishes the documents and the progress in one transaction, so that a source that is
killed goes on at the next record: no document is lost, none is published twice. Reading runs in a process
of its own that may be killed (for time, for memory, by a crash), so a reader says what it is about to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from contracts import Document, IngestProgress

if TYPE_CHECKING:
    from services.runtime.resources import Resources


IMPORT = ""  # in place of a source: the progress of the whole import


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A piece of input that cannot become a document: it goes to the dead letters of the output topic.

    head: its first bytes, at most 64 KiB. error: what is wrong and what to do, for a person.
    """

    source: str
    head: bytes
    error: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Said before a source is opened, and now and then on a long way to its first new record.

    progress: how far it was read before. Where reading on ends the process, the runtime records this as
    complete, with a dead letter: so it must hold what makes the source known as the same next time.
    None on a long way to the next source.
    """

    progress: IngestProgress | None


@dataclass(frozen=True, slots=True)
class Read:
    """One step of reading one source. progress: how far that source is once these are published."""

    documents: Sequence[Document]
    progress: IngestProgress
    unreadable: Sequence[Unreadable] = ()


class Taken(NamedTuple):
    """Of sources that were asked for: mine, those to be read, each with how far it was read before; others,
    those that another process reads. The rest are done with.
    """

    mine: Sequence[IngestProgress]
    others: Sequence[str] = ()


class Known(Protocol):
    """What was read before, here or by others that read the same list.

    began_ms: of the import, where it is known: one that was interrupted goes on as the same.
    """

    began_ms: int | None

    def take(self, sources: Sequence[IngestProgress]) -> Taken:
        """sources: some that are there, by name and fingerprint. Those that are given are this reader's: it
        reads all of them before it asks for the next. Those of others it asks for again, later.
        """


class Reader(Protocol):
    """Yields until there is no more."""

    def __call__(self, known: Known) -> Iterator[Reading | Read]:
        """known: asked for each source before it is read."""


@dataclass(frozen=True)
class Source:
    """A named reader and how to build it.

    careful: the config under which each Read holds one record and comes before the next is touched. With
    it a source is read again that has ended the process, so that it shows which record does.
    """

    name: str
    config: type[Any]
    build: Callable[[Any, Resources], Reader]
    careful: Callable[[Any], Any] = lambda config: config
