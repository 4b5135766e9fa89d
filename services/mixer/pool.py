"""One pool as a lane reads it: what was read and not taken yet, first time and again."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from contracts import Document, PoolState
from services.mixer.phase import Terms
from services.mixer.readings import Reading, meets, uses
from services.runtime import Message, topics

_CHUNK = 500  # offsets that are read again at a time

# Of a pool that is sorted anew: what was read already comes first, then what was not.
NOT, READ, COMING = 0, 1, 2


class Waiting(NamedTuple):
    """A document that was read. num_bytes: what it holds of the memory."""

    offset: int
    document: Document
    num_bytes: int


@dataclass
class Front:
    """The beginning of a buffer, so that what waits there is not looked at anew for each document.

    held: so many are kept back by what was mixed, until the lane has come to the token `until`; wanted: so
    many are known to be; put_off: so many the reading knows to be put off.
    """

    held: int = 0
    until: int = 0
    wanted: int = 0
    put_off: int = 0
    _under: tuple[object, ...] = ()

    def look(self, end: int, *under: object) -> None:
        """Let go of what may be free at this token. under: on what it depends who is wanted, and held."""
        if under != self._under:
            self.held, self.until, self.wanted, self._under = 0, 0, 0, under
        if end >= self.until:
            self.held, self.until = 0, 1 << 64

    def hold(self, until: int) -> None:
        """One more, that is wanted."""
        self.held += 1
        self.until = min(self.until, until)
        self.wanted = max(self.wanted, self.held)

    def taken(self, index: int) -> None:
        """The document there has left the buffer, those before it are put off."""
        self.held -= index < self.held
        self.wanted -= index < self.wanted
        self.put_off = self.put_off - 1 if index < self.put_off else index


class Pool:
    """The buffers of one bucket's topic, and its readings.

    new: what the first reading has before it; again: the same of `self.number`, the reading that goes on
    where nothing is new. begin: what lies before it is dead. sorting: see services.mixer.sorting.
    dry_since: when there was first nothing new left to read; None once more came. That a later step does not
    list the topic as drained means only that other topics keep the reader busy.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.topic = topics.POOL + bucket
        self.begin = 0
        self.sorting = NOT
        self.readings = [Reading()]
        self.new: deque[Waiting] = deque()
        self.again: deque[Waiting] = deque()
        self._fronts = Front(), Front()  # of new and of again
        self.number = 1  # index into readings of the one that `again` belongs to
        self.num_bytes = 0
        self.dry_since: float | None = None
        self._wanted_by = Terms("", 1)
        self._wanted: set[int] = set()  # offsets in the buffers of documents that these terms want
        self._asked = 0  # offset up to which that one has been read

    def restore(self, state: PoolState) -> None:
        """Where the lane was."""
        self.begin, self.sorting = state.begin, state.sorting
        self.readings = [Reading.restored(one) for one in state.passes] or [Reading()]
        if self.sorting == READ:
            self._choose(len(self.readings) - 1)

    def state(self) -> PoolState:
        """What `restore` needs."""
        passes = [reading.state() for reading in self.readings]
        return PoolState(begin=self.begin, sorting=self.sorting, passes=passes)

    def feed(self, message: Message) -> None:
        """A message of the topic, in the order of offsets."""
        document = message.document
        if (
            document is not None
            and message.offset >= self.begin
            and self.readings[0].is_ahead(message.offset)
        ):
            self._add(self.new, message.offset, document)
            self.dry_since = None

    def feed_again(self, messages: Sequence[Message], reached: int) -> None:
        """What was asked for by `wanted_again`. reached: the offset up to which it was read."""
        for message in messages:
            document = message.document
            known = self.sorting and self.readings[0].is_ahead(message.offset)  # comes, or is here, as new
            if document is not None and not known and self.readings[self.number].is_ahead(message.offset):
                self._add(self.again, message.offset, document)
        self._asked = max(self._asked, reached)

    def take_out(self, number: int, index: int, terms: Terms) -> Waiting:
        """Take a document out of a buffer; those before it there are put off."""
        waiting, reading, front = (
            self.again if number else self.new,
            self.readings[number],
            self.front(number),
        )
        if front.put_off < index:
            for one in itertools.islice(waiting, front.put_off, index):
                reading.put_off(one.offset, terms)
        found = waiting[index]
        del waiting[index]
        front.taken(index)
        self._wanted.discard(found.offset)
        self.num_bytes -= found.num_bytes
        reading.settle(found.offset, terms)
        return found

    def front(self, number: int) -> Front:
        """Of the buffer of the reading of this number."""
        return self._fronts[number > 0]

    def is_wanted(self, terms: Terms, number: int, one: Waiting) -> bool:
        """Whether these terms take it. Asked again and again of those that wait, so it is remembered."""
        if self._wanted_by != terms:
            self._wanted_by, self._wanted = terms, set()
        if one.offset in self._wanted or one.offset in self.readings[number].deferred:
            return True
        if self.uses(number, one) < terms.max_uses and meets(terms.where, one.document):
            self._wanted.add(one.offset)
            return True
        return False

    def uses(self, number: int, one: Waiting) -> int:
        """How often a document was used before the reading of this number came to it."""
        return uses(self.readings[:number], one.offset, one.document)

    def wanted_again(self, most: int) -> tuple[int, int] | None:
        """Offsets [start, stop) that are to be read again, where there is room; None: none."""
        if len(self.again) >= most or self.number >= len(self.readings):
            return None
        start, end = max(self._asked, self.readings[self.number].done), self._limit(self.number)
        return (start, min(end, start + _CHUNK)) if start < end else None

    def go_again(self, terms: Terms) -> bool:
        """Choose the reading to go on with where nothing is new; whether there is one that has more.

        The lowest one first, so that the least used come first. None overtakes the one below it, by whose
        place it is known how often a document was used. A further one is begun where it may find what these
        terms want: a document that meets them was taken by every reading but those that may have spared it.
        """
        if self.again or self.wanted_again(1) is not None:
            return True
        if self.number < len(self.readings) and self._asked >= self._limit(self.number):
            self.readings[self.number].reach(self._asked)  # what lay behind its last document is gone
        for number in range(1, len(self.readings)):
            if self.readings[number].done < self._limit(number):
                return self._choose(number)
        number = len(self.readings)
        spared = sum(reading.may_spare(at, terms) for at, reading in enumerate(self.readings))
        if number < terms.max_uses + spared and self.begin < self._limit(number):
            self.readings.append(Reading(self.begin))
            return self._choose(number)
        return False

    def sort(self, *, read: bool) -> None:
        """Begin to sort it anew. read: also what was read, since it may be used again."""
        self.again.clear()
        self._fronts = self._fronts[0], Front()
        self.sorting = READ if read and self.begin < self.readings[0].offset else COMING
        if self.sorting == READ:
            self.readings.append(Reading(self.begin))
            self._choose(len(self.readings) - 1)

    def sort_out(self) -> None:
        """All that was read of it lies elsewhere now, or behind; begin anew there."""
        self.begin = self.readings[0].offset
        self.sorting = NOT
        self.readings = [Reading(self.begin)]
        self.again.clear()
        self._fronts = Front(), Front()
        self.number = 1

    def _choose(self, number: int) -> bool:
        self.number, self._asked = number, 0
        return True

    def _limit(self, number: int) -> int:
        return self.readings[0].offset if self.sorting else self.readings[number - 1].done

    def _add(self, buffer: deque[Waiting], offset: int, document: Document) -> None:
        size = document.ByteSize()
        buffer.append(Waiting(offset, document, size))
        self.num_bytes += size
