"""The topics of a Kafka that was stopped, read from the folder of its log; nothing is written there.

As Kafka keeps them: a folder `topic-N` a partition, in it segments of record batches and the topic's id.
Which batches count, their markers say: what none has decided, and what lies behind that, is not read.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from kafka import TopicPartition
from kafka.errors import CorruptRecordError

from services.runtime.errors import ConfigurationError
from services.runtime.journal.admin import JournalAdmin
from services.runtime.journal.batches import HEADER, Header, Record, commits, decoded, header
from services.runtime.journal.extents import Extent, ExtentLog, PartitionLog
from services.runtime.journal.reader import Group, Reader, Topic, log_of

_CLEAN = ".kafka_cleanshutdown"  # is there from the end of a stop to the next start
_STARTS = "log-start-offset-checkpoint"
_PARTITION = re.compile(r"([a-zA-Z0-9._-]+)-(\d+)")
_SEGMENT = re.compile(r"\d{20}\.log")
_INTERNAL = "__"
_OFFSETS = "__consumer_offsets"
_MANY = 1000  # records that are read at once


def was_stopped(data: Path) -> bool:
    """Whether Kafka had come to its end, so that the files are whole."""
    return (data / _CLEAN).exists()


class StoppedKafka:
    """Its topics, and where its groups stand; nobody can join one."""

    def __init__(self, data: Path) -> None:
        """Raises ConfigurationError: there is no such folder, or the broker runs or was killed."""
        if not was_stopped(data):
            raise ConfigurationError(f"{data} is not that of a Kafka that was stopped")
        found: dict[str, dict[int, Path]] = defaultdict(dict)
        for folder in data.iterdir():
            name = _PARTITION.fullmatch(folder.name)
            if name and folder.is_dir():
                found[name[1]][int(name[2])] = folder
        self._data = data
        self._offsets = found.pop(_OFFSETS, {})
        starts = _starts(data / _STARTS)
        self.topics: Mapping[str, Topic] = {
            topic: Topic(
                [_Partition(topic, p, of[p], starts.get(TopicPartition(topic, p), 0)) for p in sorted(of)],
                _topic_id(of[min(of)] / "partition.metadata"),
            )
            for topic, of in found.items()
            if not topic.startswith(_INTERNAL)
        }

    def consumer(self, group: str | None, *, gathers: bool = False) -> Reader:
        """One outside of any group."""
        assert group is None
        return Reader(self, None)

    def producer(self, transactional_id: str, compression: str) -> NoReturn:
        """Raises ConfigurationError."""
        raise self._only_read()

    def admin(self) -> JournalAdmin:
        """What it can be asked; it can be told nothing."""
        return JournalAdmin(self)

    def group(self, name: str) -> Group:
        """Where it stands."""
        return Group(name, committed=self._committed.get(name, {}))

    def log_of(self, place: TopicPartition) -> PartitionLog:
        """Raises KafkaError: there is no such partition."""
        return log_of(self, place)

    def set_topics(self, partitions: Mapping[str, int]) -> None:
        """Raises ConfigurationError."""
        raise self._only_read()

    def set_starts(self, before: Mapping[TopicPartition, int]) -> None:
        """Raises ConfigurationError."""
        raise self._only_read()

    def set_offsets(self, group: Group, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises ConfigurationError."""
        raise self._only_read()

    def _only_read(self) -> ConfigurationError:
        return ConfigurationError(
            f"this needs the river's Kafka, which cannot be started where {self._data} cannot be written: "
            "let it be written, or use a copy"
        )

    @cached_property
    def _committed(self) -> Mapping[str, dict[TopicPartition, int]]:
        """By group, the last that it has committed of each partition."""
        found: dict[str, dict[TopicPartition, int]] = defaultdict(dict)
        for number, folder in sorted(self._offsets.items()):
            log = _Partition(_OFFSETS, number, folder, 0)
            position = log.start
            while position < log.end:
                records, position = log.read(position, _MANY)
                for record in records:
                    _commit(record, found)
        return found


class _Partition:
    """See PartitionLog; its segments are looked at when it is first asked."""

    def __init__(self, topic: str, partition: int, folder: Path, start: int) -> None:
        self._place = topic, partition
        self._folder = folder
        self._segments = sorted(path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name))
        self._first = start

    @property
    def num_bytes(self) -> int:
        """See PartitionLog."""
        return sum(path.stat().st_size for path in self._segments)

    @property
    def start(self) -> int:
        """See PartitionLog."""
        return self._log.start

    @property
    def end(self) -> int:
        """Nobody will decide any more what is not decided."""
        return self._log.stable_end

    @property
    def stable_end(self) -> int:
        """See PartitionLog."""
        return self._log.stable_end

    def read(self, position: int, room: int) -> tuple[list[Record], int]:
        """See PartitionLog."""
        return self._log.read(position, room)

    @cached_property
    def _log(self) -> ExtentLog:
        made = ExtentLog(str(self._folder), lambda extent: decoded(self._fetch(extent), *self._place))
        made.start = max(self._first, int(self._segments[0].stem) if self._segments else 0)
        made.end = max((int(path.stem) for path in self._segments), default=0)
        try:
            self._fill(made)
        except CorruptRecordError as error:
            raise ConfigurationError(f"{self._folder}: {error}") from error
        return made

    def _fill(self, made: ExtentLog) -> None:
        counting: list[Extent] = []
        undecided: dict[int, list[Extent]] = defaultdict(list)  # by producer
        for extent, batch in self._batches():
            made.end = batch.stop
            if batch.control:
                decided = undecided.pop(batch.producer, [])
                counting += decided if commits(self._fetch(extent)) else []
            elif batch.num_records and batch.transactional:
                undecided[batch.producer].append(extent)
            elif batch.num_records:
                counting.append(extent)
        made.stable_end = min((some[0].base for some in undecided.values()), default=made.end)
        for extent in sorted(counting):
            made.add(extent)

    def _batches(self) -> Iterator[tuple[Extent, Header]]:
        for number, path in enumerate(self._segments):
            position, size = 0, path.stat().st_size
            with path.open("rb", buffering=0) as file:
                while position < size:
                    file.seek(position)
                    found = header(file.read(HEADER.size))
                    yield Extent(found.base, found.stop, number, position, found.num_bytes), found
                    position += found.num_bytes

    def _fetch(self, extent: Extent) -> bytes:
        with self._segments[extent.file].open("rb", buffering=0) as file:
            file.seek(extent.position)
            return file.read(extent.num_bytes)


def _commit(record: Record, found: dict[str, dict[TopicPartition, int]]) -> None:
    """What a message of Kafka's topic of offsets says (its OffsetCommitKey and OffsetCommitValue).

    The key is a version, 0 or 1, and group, topic and partition; other versions tell of members. The value
    is a version and the offset, before what we need not know; none where the offset was given up.
    """
    key = record.key or b""
    if len(key) < 2 or int.from_bytes(key[:2], "big") > 1:
        return
    group, at = _text(key, 2)
    topic, at = _text(key, at)
    place = TopicPartition(topic, int.from_bytes(key[at : at + 4], "big"))
    if record.value is None:
        found[group].pop(place, None)
    else:
        found[group][place] = int.from_bytes(record.value[2:10], "big", signed=True)


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text behind its length of two bytes, and where it ends."""
    start = at + 2
    end = start + int.from_bytes(data[at:start], "big")
    return data[start:end].decode(), end


def _starts(checkpoint: Path) -> dict[TopicPartition, int]:
    """Where logs begin of which something was deleted: lines `topic partition offset` behind two numbers."""
    try:
        lines = checkpoint.read_text().splitlines()[2:]
    except FileNotFoundError:
        return {}
    found = (line.split() for line in lines)
    return {TopicPartition(topic, int(partition)): int(offset) for topic, partition, offset in found}


def _topic_id(file: Path) -> str:
    """As clients are told it. The file has lines `name: value`."""
    told = dict(line.split(": ", 1) for line in file.read_text().splitlines() if ": " in line)
    return str(uuid.UUID(bytes=base64.urlsafe_b64decode(told["topic_id"] + "==")))
