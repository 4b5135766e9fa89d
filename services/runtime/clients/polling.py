"""A consumer of the library's whose polls lose nothing and cost little, and who gets which partitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.abstract import ConsumerProtocolAssignment
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, LeaderNotAvailableError
from kafka.protocol.consumer.offsets import IsolationLevel
from kafka.structs import OffsetAndMetadata
from kafka.util import Timer

_ANSWER_MS = 10_000  # a broker that says nothing for so long is away
# A fetch that finds nothing waits so long at the broker, and what is asked on the same connection behind it:
# while some of what flows lies here; at least, where partitions may be resumed; at least, else; once polls
# have found nothing for a while.
_FLOWING_MS, _BRIEF_MS, _PATIENT_MS, _QUIET_MS = 20, 100, 500, 1000
_QUIET_POLLS = 1
_ASKS, _AGAIN_S = 20, 0.1  # for what an answer lacks

T = TypeVar("T")


class GroupConsumer(KafkaConsumer):
    """A consumer whose poll may time out while it joins its group, and whose partitions may be paused.

    kafka-python 3.0.12 forgets a join that it began because the topic's partitions became known, if the
    poll ends before the join does: it never takes up the partitions, nor beats again. Asking for a
    rejoin makes the next poll wait for the same join; it sends nothing.

    It lays aside the rest of a fetch whose partition is paused, and takes it up again, once that is
    resumed, only if no other fetch has been read out since: else never, and fetches nothing either.
    """

    _empty = 1  # polls in a row that found nothing
    _polling = False
    _woken = False

    def wake(self) -> None:
        """End the poll under way, which gives what is there, and each later one: the process is to end.

        A signal's handler may call it, in the midst of anything.
        """
        self._woken = True
        if self._polling:
            with suppress(KafkaError, RuntimeError):  # a loop that has ended
                self._net.call_soon_threadsafe(self._manager.expire)

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, list[Any]]:
        """See KafkaConsumer."""
        if self._coordinator.rejoining:
            self._coordinator.request_rejoin()
        fetcher = self._fetcher
        if not fetcher._next_partition_records:  # none, or one that has been read out
            fetcher._next_partition_records = None
        fetcher.config["fetch_max_wait_ms"] = self._wait_ms(timeout_ms)
        self._polling = True
        try:
            found: dict[TopicPartition, list[Any]] = super().poll(timeout_ms, max_records)
        finally:
            self._polling = False
        self._empty = 0 if found else self._empty + 1
        return found

    def _poll_once(self, timer: Timer, max_records: int, update_offsets: bool = True) -> dict[Any, Any]:
        """See KafkaConsumer: one of the rounds of a poll."""
        if self._woken:
            timer._expire_at = 0.0
            return {}
        found: dict[Any, Any] = super()._poll_once(timer, max_records, update_offsets)
        return found

    def _wait_ms(self, timeout_ms: int) -> int:
        """How long a fetch of this poll may wait for something: each costs both sides a millisecond of CPU.

        While what flows lies here, the fetch is for those partitions that have nothing: the next of the
        others, and each question for an end, would wait behind it. Where nothing lies here it is for all, and
        ends with the poll: a partition that is resumed between two polls waits for neither. Where nothing
        comes, nothing is resumed either: so a river at rest asks seldom.
        """
        fetcher = self._fetcher
        if not self._empty and (fetcher._next_partition_records or fetcher._completed_fetches):
            return _FLOWING_MS
        if self.config["group_id"] is None:
            return _BRIEF_MS
        if self._empty > _QUIET_POLLS:
            return _QUIET_MS
        return max(timeout_ms, _BRIEF_MS if not self._empty or self.paused() else _PATIENT_MS)

    def beginning_offsets(self, partitions: Any, timeout_ms: int | None = None) -> dict[TopicPartition, int]:
        """See KafkaConsumer."""
        return _whole(lambda: super(GroupConsumer, self).beginning_offsets(partitions, timeout_ms))

    def end_offsets(self, partitions: Any, timeout_ms: int | None = None) -> dict[TopicPartition, int]:
        """See KafkaConsumer."""
        return _whole(lambda: super(GroupConsumer, self).end_offsets(partitions, timeout_ms))

    def topic_id(self, topic: str) -> str:
        """Kafka's id of a topic as this consumer reads it; empty while that is not known."""
        return str(self._cluster.topic_id(topic) or "")

    def topic_ids(self) -> dict[str, str]:
        """Kafka's id of every topic there is, by name, asked now."""
        return {topic: self.topic_id(topic) for topic in self.topics()}

    def written_ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """As end_offsets, and what no transaction has decided yet: in one client, since each costs 30 ms.

        No fetch is sent or read meanwhile: both are done within poll alone.
        """
        fetcher = self._fetcher
        before, fetcher._isolation_level = fetcher._isolation_level, IsolationLevel.READ_UNCOMMITTED
        try:
            found: dict[TopicPartition, int] = self.end_offsets(partitions)
        finally:
            fetcher._isolation_level = before
        return found

    def committed_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """What the group has committed, once no transaction on it is undecided; none for what it has not."""
        # It hands out the answer to a question of the same partitions that a poll has not waited for.
        self._coordinator._offset_fetch_futures.clear()
        found = self._coordinator.fetch_committed_offsets(list(partitions), timeout_ms=_ANSWER_MS)
        return {tp: mark.offset for tp, mark in found.items() if mark.offset >= 0}

    def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Outside of any transaction, as a member of the group: who lost the partitions is refused."""
        marks = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
        self.commit(marks, timeout_ms=_ANSWER_MS)


def _whole(ask: Callable[[], T]) -> T:
    """Ask for offsets again where the answer lacks a partition: kafka-python 3.0.12 falls over it (KeyError).

    A client leaves out what it does not know yet, or no more while its metadata are renewed.
    Raises LeaderNotAvailableError, which may be waited for.
    """
    for _ in range(_ASKS):
        try:
            return ask()
        except KeyError as error:
            missing = error
            time.sleep(_AGAIN_S)
    raise LeaderNotAvailableError(f"no offset is told of {missing}")


class OneOwner(RangePartitionAssignor):
    """All partitions of every topic for one member, the first by its stable name; the others wait."""

    name = "one"

    @classmethod
    def assign(cls, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """See AbstractPartitionAssignor."""
        first = min(members, key=lambda member: (member.group_instance_id or "~", member.member_id))
        found: dict[str, Any] = super().assign(cluster, [first])
        nothing = ConsumerProtocolAssignment(cls.version, [], b"")
        return {member.member_id: found.get(member.member_id, nothing) for member in members}
