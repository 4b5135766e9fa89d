"""Dead letters: which there are, what each says, and whether it was put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from contracts import Document, Redriven
from services.runtime import ConfigurationError, Resources, Settings
from services.runtime.clients.log import Log
from services.runtime.loops.deadletter import ERROR_HEADER
from services.runtime.topics import DEAD_LETTER_SUFFIX, REDRIVEN
from services.runtime.topology import Topology
from services.runtime.wire import decode


@dataclass(frozen=True)
class Letter:
    """One message of a dead-letter topic.

    said: its error headers (topic, topic.id, partition, offset, stage, exception.*). document: None where
    the message is none. redriven_ms: when it was put back; None while it waits.
    """

    topic: str
    partition: int
    offset: int
    at_ms: int
    said: Mapping[str, str]
    value: bytes
    document: Document | None
    redriven_ms: int | None

    @property
    def id(self) -> str:
        """As people name it: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def came_from(self) -> str:
        """The topic that it was read from; of a piece of input, the one that it was meant for."""
        return self.topic.removesuffix(DEAD_LETTER_SUFFIX)

    @property
    def is_message(self) -> bool:
        """It was read from a topic, so it can be put back; else it is a piece of input."""
        return "offset" in self.said

    @property
    def stage(self) -> str:
        """The unit in which it died."""
        return self.said.get("stage", "")

    @property
    def error(self) -> str:
        """What that unit said."""
        return self.said.get("exception.message", "")

    @property
    def name(self) -> str:
        """Of the document, or of the input that became none."""
        if self.document is not None:
            return self.document.id
        return "" if self.is_message else self.said.get("topic", "")


@dataclass(frozen=True)
class Selection:
    """Which letters are meant; what is empty does not matter.

    ids: topic/partition/offset. topic: with or without .dlq. error: a part of the message, in any case.
    """

    ids: tuple[str, ...] = ()
    topic: str = ""
    stage: str = ""
    error: str = ""

    def holds(self, letter: Letter) -> bool:
        """Whether a letter is one of them."""
        return (
            (not self.ids or letter.id in self.ids)
            and (not self.stage or letter.stage == self.stage)
            and self.error.casefold() in letter.error.casefold()
        )


def letters(log: Log, topology: Topology, wanted: Selection) -> Iterator[Letter]:
    """The letters that are meant, topic after topic. Raises ConfigurationError for an id that is none."""
    redriven = redriven_at(log)
    for record in _records(log, topology, wanted):
        letter = _letter(record, redriven)
        if wanted.holds(letter):
            yield letter


def find(settings: Settings, topology: Topology, name: str) -> Letter:
    """The letter of an id, its large fields fetched. Raises ConfigurationError."""
    with Log(settings) as log:
        found = next(letters(log, topology, Selection(ids=(name,))), None)
    if found is None:
        raise ConfigurationError(f"there is no dead letter {name}; `corpusworks dlq list` shows all")
    if found.document is not None and found.document.references:
        with contextlib.suppress(FileNotFoundError):  # what is left of it is shown
            found.document.CopyFrom(decode(found.value, Resources(settings).store))
    return found


def redriven_at(log: Log) -> dict[str, int]:
    """When each letter was last put back, by its id; those that never were are absent."""
    found = {}
    for record in log.read_all(REDRIVEN):
        if record.value is not None:
            mark = Redriven.FromString(record.value)
            found[f"{mark.topic}/{mark.partition}/{mark.offset}"] = mark.at_ms
    return found


def document_of(value: bytes | None) -> Document | None:
    """The document in a letter, or None where it is none."""
    try:
        document = Document.FromString(value or b"")
    except DecodeError:
        return None
    return document if document.uid else None


def _records(log: Log, topology: Topology, wanted: Selection) -> Iterator[Any]:
    if wanted.ids:
        for name in wanted.ids:
            topic, partition, offset = _place(name)
            start = log.starts([topic]).get((topic, partition), 0)
            end = log.settled_ends([topic]).get((topic, partition), 0)
            if start <= offset < end:
                yield from log.read({(topic, partition): (offset, offset + 1)})
        return
    known = [topic for topic in topology.topics() if topic.endswith(DEAD_LETTER_SUFFIX)]
    if wanted.topic:
        known = [topic for topic in known if topic.removesuffix(DEAD_LETTER_SUFFIX) == _plain(wanted.topic)]
        if not known:
            raise ConfigurationError(
                f"{wanted.topic} is no topic with dead letters; leave --topic out for all"
            )
    starts, ends = log.starts(known), log.settled_ends(known)
    for topic in known:
        yield from log.read({tp: (start, ends[tp]) for tp, start in starts.items() if tp[0] == topic})


def _plain(topic: str) -> str:
    return topic.removesuffix(DEAD_LETTER_SUFFIX)


def _place(name: str) -> tuple[str, int, int]:
    topic, *numbers = name.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ConfigurationError(
            f"{name} is no dead letter's id: it has the form docs.raw.dlq/0/17, see `corpusworks dlq list`"
        )
    return topic, int(numbers[0]), int(numbers[1])


def _letter(record: Any, redriven: Mapping[str, int]) -> Letter:
    headers = {key: value.decode(errors="replace") for key, value in record.headers or ()}
    return Letter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        said={k.removeprefix(ERROR_HEADER): v for k, v in headers.items() if k.startswith(ERROR_HEADER)},
        value=record.value or b"",
        document=document_of(record.value),
        redriven_ms=redriven.get(f"{record.topic}/{record.partition}/{record.offset}"),
    )
