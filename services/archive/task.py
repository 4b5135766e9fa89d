"""The fold of the archive: reads one partition of each of its topics, writes files and announces them.

What dedup let pass and what was dropped are of one service, and files that are due together are announced in
one transaction: each costs broker and client as much as the writing of a small file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from contracts import ArchiveFile, Flush
from services.archive import tables
from services.archive.config import ArchiveConfig
from services.archive.file import LAYOUT, write
from services.archive.files import Files, day_of, file_key, ids_key, mark
from services.archive.tables import Row, Table, num_bytes
from services.runtime import LaneService, Message, ObjectStore, Output, Resources, Step, topics


@dataclass
class _Open:
    """The file in the making. since: when its first row came, by the clock of step; since_log: by the log."""

    day: str
    since_log: float
    since: float | None = None
    num_bytes: int = 0
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.num_bytes += num_bytes(row)


@dataclass
class _Input:
    """One topic. table: what its messages become rows of. waiting: read, and beyond the end of the open file.

    next_offset: after the last message that was taken, where that is not committed yet.
    reached: the last offset of an announced file. day: of the last row.
    """

    topic: str
    topic_id: str
    table: Table
    files: Files
    reached: int = -1
    day: str = ""
    next_offset: int | None = None
    begun: bool = False
    open: _Open | None = None
    waiting: deque[Message] = field(default_factory=deque)

    def day_with(self, message: Message) -> str:
        """The day never goes back within a partition: about midnight two producers' clocks alternate."""
        return max(self.day, day_of(message.timestamp_ms))


class Archive:
    """The fold of one lane of tables that are flushed together.

    A file holds a stretch of one partition and ends by size, at the end of a day, by age or at a Flush. Where
    it ends may differ in a replay, since age depends on the clock; its bytes follow from its name. It is
    written before its announcement and counts only with it. What a try has left that was not announced
    begins where the next try begins, with the first message that is not committed, and is removed then.

    Of the announcements only the last of each topic is looked at: its mark may be missing after a kill, and
    what lies before it is not archived again, wherever the group's offset stands.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        config: ArchiveConfig,
        store: ObjectStore,
        lane: int,
        *,
        topic_ids: Mapping[str, str] | None = None,
    ) -> None:
        """tables: by the topic that they are made from. topic_ids: Kafka's, by name."""
        (self._flush,) = {table.flush for table in tables.values()}
        self._config = config
        self._store = store
        self._lane = lane
        self._flushing = False
        self._told: int | None = None  # offset after the last message of the Flush's topic, if not committed
        ids = {topic: (topic_ids or {}).get(topic, "") for topic in tables}
        self._inputs = {
            topic: _Input(topic, ids[topic], table, Files.of(store, table.name, topic, ids[topic], lane))
            for topic, table in tables.items()
        }

    @property
    def since(self) -> float | None:
        """When the oldest row came that waits for its file."""
        made = (found.open.since for found in self._inputs.values() if found.open is not None)
        return min((since for since in made if since is not None), default=None)

    def restore(self, log: Sequence[Message]) -> None:
        """log: the announcements that are kept. Raises DependencyDown."""
        for announced in _last(log).values():
            mark(self._store, announced)
            found = self._inputs.get(announced.topic)
            if found is not None and found.topic_id == announced.topic_id:
                found.reached, found.day = announced.last_offset, announced.day

    def wants(self) -> Collection[str]:
        """All but topics of which a file is ready to be written."""
        return {self._flush, *(topic for topic, found in self._inputs.items() if not found.waiting)}

    def feed(self, messages: Sequence[Message]) -> None:
        """Add rows to the open files, up to where they end. Raises DependencyDown."""
        for message in messages:
            if message.topic == self._flush:
                self._told = message.offset + 1
                self._flushing = self._flushing or isinstance(message.value, Flush)
            elif message.topic in self._inputs:
                self._inputs[message.topic].waiting.append(message)
        for found in self._inputs.values():
            self._fill(found)

    def step(self, now: float, drained: Collection[str]) -> Step | None:
        """Write the files for which it is time. Raises DependencyDown when the store takes nothing."""
        for found in self._inputs.values():
            if found.open is not None and found.open.since is None:
                found.open.since = now
        due = [self._inputs[topic] for topic in dict.fromkeys(self._due(now, drained))]
        announced = [self._write(found) for found in due]
        consumed = {found.topic: self._close(found) for found in due} | self._passed(drained)
        if not consumed:
            return None
        return Step(
            [Output(self._inputs[one.topic].table.written, one, key=one.topic.encode()) for one in announced],
            consumed,
            committed=partial(self._mark, announced) if announced else None,
        )

    def _passed(self, drained: Collection[str]) -> dict[str, int]:
        """What is done with and in no open file: after the last file of a Flush that, too, in one step."""
        consumed: dict[str, int] = {
            topic: found.next_offset
            for topic, found in self._inputs.items()
            if found.open is None and found.next_offset is not None
        }
        for topic in consumed:
            self._inputs[topic].next_offset = None
        if self._told is not None and (not self._flushing or self._is_at_rest(drained)):
            consumed[self._flush] = self._told
            self._told, self._flushing = None, False
        return consumed

    def _fill(self, found: _Input) -> None:
        while found.waiting:
            message = found.waiting[0]
            if message.offset > found.reached and not self._put(found, message):
                return
            found.waiting.popleft()
            found.next_offset = message.offset + 1

    def _put(self, found: _Input, message: Message) -> bool:
        """Add its rows to the open file; False when that ended before it."""
        day = found.day_with(message)
        if found.open is not None and (found.open.day != day or self._is_full(found.open)):
            return False
        if not found.begun:
            found.files.remove_orphans(day, message.offset)
            found.begun = True
        for row in found.table.rows(message, self._store):
            found.day = day
            found.open = found.open or _Open(day, message.timestamp_ms / 1000)
            found.open.add(row)
        return True

    def _is_full(self, made: _Open) -> bool:
        return made.num_bytes >= self._config.seal_bytes or len(made.rows) >= self._config.seal_rows

    def _due(self, now: float, drained: Collection[str]) -> Iterator[str]:
        """Topics whose open file is to be written, the most urgent first."""
        made = {topic: found.open for topic, found in self._inputs.items() if found.open is not None}
        for topic, one in made.items():
            if self._inputs[topic].waiting or self._is_full(one):
                yield topic
        if sum(one.num_bytes for one in made.values()) >= self._config.hold_bytes:
            yield max(made, key=lambda topic: made[topic].num_bytes)
        flushed = self._flushing and self._inputs.keys() <= set(drained)
        for topic, one in made.items():
            if flushed or self._is_old(one, topic, now, drained):
                yield topic

    def _is_old(self, one: _Open, topic: str, now: float, drained: Collection[str]) -> bool:
        """By the log where all of it is read, else by when the first row came; mostly both say the same."""
        limit = self._config.seal_age_s
        by_log = now - one.since_log >= limit
        by_step = one.since is not None and now - one.since >= limit
        return by_log if by_log == by_step or topic in drained else by_step

    def _is_at_rest(self, drained: Collection[str]) -> bool:
        held = any(found.open or found.waiting for found in self._inputs.values())
        return self._inputs.keys() <= set(drained) and not held

    def _write(self, found: _Input) -> ArchiveFile:
        """Write the open file; what is to be said of it."""
        assert found.open is not None
        announced = self._announcement(found, found.open)
        encoded = write(found.open.rows, found.table, {"corpusworks": announced.name})
        announced.bytes = len(encoded.data)
        # The index first: who sees the file finds it.
        self._store.put_all({ids_key(announced.name): encoded.ids, file_key(announced.name): encoded.data})
        return announced

    def _close(self, found: _Input) -> int:
        """Begin the next file with what waits; the offset after what the written one holds."""
        assert found.next_offset is not None
        end, found.open, found.next_offset = found.next_offset, None, None
        self._fill(found)
        return end

    def _mark(self, announced: Sequence[ArchiveFile]) -> None:
        for one in announced:
            mark(self._store, one)

    def _announcement(self, found: _Input, made: _Open) -> ArchiveFile:
        first, last = made.rows[0]["offset"], made.rows[-1]["offset"]
        uids = [row["uid"] for row in made.rows]
        return ArchiveFile(
            table=found.table.name,
            day=made.day,
            name=found.files.name(made.day, first, last),
            topic=found.topic,
            topic_id=found.topic_id,
            partition=self._lane,
            first_offset=first,
            last_offset=last,
            rows=len(uids),
            min_uid=int(min(uids), 16),
            max_uid=int(max(uids), 16),
            layout=LAYOUT,
        )


def _last(log: Sequence[Message]) -> dict[str, ArchiveFile]:
    """By topic; compaction leaves some of the earlier ones for a while."""
    return {m.value.topic: m.value for m in log if isinstance(m.value, ArchiveFile)}


def _build(
    table: Table, others: Mapping[str, Table], config: ArchiveConfig, resources: Resources, lane: int
) -> Archive:
    made = {topic: others.get(topic, table) for topic in resources.inputs if topic != table.flush}
    return Archive(made, config, resources.store, lane, topic_ids=resources.topic_ids)


def _reached(log: Sequence[Message], topic_ids: Mapping[str, str]) -> Mapping[str, int]:
    """After the last row that an announced file holds."""
    return {
        topic: last.last_offset + 1
        for topic, last in _last(log).items()
        if last.topic_id == topic_ids.get(topic, "")
    }


def _service(name: str, table: Table, others: Mapping[str, Table]) -> LaneService:
    """others: by topic, tables beside it."""
    return LaneService(
        name=name,
        config=ArchiveConfig,
        build=partial(_build, table, others),
        logs=(table.written, *(other.written for other in others.values())),
        reached=_reached,
    )


DOCUMENTS = _service("archive_documents", tables.DOCUMENTS, {topics.REJECTED: tables.DROPS})
USES = _service("archive_uses", tables.USES, {})
