"""A source: reads documents from outside the river, and says how far it has come.

The runtime publishes the documents and the progress in one transaction, so that a source that is
killed goes on at the next record: no document is lost, none is published twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import Document, IngestProgress

if TYPE_CHECKING:
    from services.runtime.resources import Resources


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A piece of input that cannot become a document: it goes to the dead letters of the output topic.

    head: its first bytes, at most 64 KiB. error: what is wrong and what to do, for a person.
    """

    source: str
    head: bytes
    error: str


@dataclass(frozen=True, slots=True)
class Read:
    """One step of reading one source. progress: how far that source is once these are published."""

    documents: Sequence[Document]
    progress: IngestProgress
    unreadable: Sequence[Unreadable] = ()


# Called with what was already read (by source name); yields until there is no more.
Reader = Callable[[Mapping[str, IngestProgress]], Iterator[Read]]


@dataclass(frozen=True)
class Source:
    """A named reader and how to build it."""

    name: str
    config: type[Any]
    build: Callable[[Any, Resources], Reader]
