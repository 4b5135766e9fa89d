"""Kafka clients as the river uses them: transactional producers, read_committed consumers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.abstract import ConsumerProtocolAssignment
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, KafkaTimeoutError, LeaderNotAvailableError, ProducerFencedError
from kafka.net.sasl.oauth import AbstractTokenProvider
from kafka.protocol.consumer.offsets import IsolationLevel
from kafka.structs import OffsetAndMetadata
from kafka.util import Timer

from services.runtime import journal
from services.runtime.clients.loop import OrderlyClient
from services.runtime.clients.refused import be_strict
from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.settings import KafkaSettings, Settings, secret

GROUP_PREFIX = "corpusworks."  # consumer groups are corpusworks.<service>

# A message may be this long; larger fields are in the object store. Kafka's own default limit.
MAX_REQUEST_BYTES = 1 << 20

_WAKE_S = 0.01  # a full batch waits no longer
_ANSWER_MS = 10_000  # a broker that says nothing for so long is away
_METADATA_MS = 30_000  # new partitions and topics are known so soon
# A fetch that finds nothing waits so long at the broker, and what is asked on the same connection behind it:
# while some of what flows lies here; at least, where partitions may be resumed; at least, else; once polls
# have found nothing for a while.
_FLOWING_MS, _BRIEF_MS, _PATIENT_MS, _QUIET_MS = 20, 100, 500, 1000
_QUIET_POLLS = 1
_ASKS, _AGAIN_S = 20, 0.1  # for what an answer lacks

PATIENCE_S = 60.0  # a broker that was killed recovers its log before it answers

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


class BoundedProducer(KafkaProducer):
    """A producer whose transaction waits for its coordinator no longer than `max_block_ms`.

    kafka-python 3.0.12 bounds init_transactions alone. A coordinator that falls in the middle can leave
    the others without an answer for good; the transaction ends at the broker by its own time limit.
    """

    def send_offsets_to_transaction(self, offsets: Any, group_metadata: Any) -> None:
        """See KafkaProducer. Raises KafkaTimeoutError."""
        self._within(self._transaction_manager.send_offsets_to_transaction(offsets, group_metadata))

    def commit_transaction(self) -> None:
        """See KafkaProducer. Raises KafkaTimeoutError: whether it has committed is not known then."""
        self._within(self._transaction_manager.begin_commit())

    def fenced(self) -> bool:
        """Whether it knows that another has taken up its name.

        The one call in which that comes to light raises ProducerFencedError, but it may come to light
        between two calls; those that follow raise a KafkaError that looks like any other.
        """
        return isinstance(self._transaction_manager.last_error, ProducerFencedError)

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """See KafkaProducer, which leaves its thread running where something could not be sent in time."""
        try:
            super().close(timeout, null_logger)
        except KafkaTimeoutError:
            self._sender.force_close()
            self._closed = True

    def _within(self, result: Any) -> None:
        self._sender.wakeup()
        if not result.wait(self.config["max_block_ms"]):
            raise KafkaTimeoutError("the coordinator of the transaction does not answer")


class _TokenFile(AbstractTokenProvider):
    """OAUTHBEARER token from a mounted file, read anew at each login so that rotation works."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._path = settings.oauth_token_file

    def token(self) -> str:
        if self._path is None:
            raise ConfigurationError("OAUTHBEARER needs CORPUSWORKS_KAFKA__OAUTH_TOKEN_FILE")
        try:
            return self._path.read_text().strip()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"CORPUSWORKS_KAFKA__OAUTH_TOKEN_FILE={self._path}: {error}") from error


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Options that every client shares: address, TLS, SASL. Raises ConfigurationError."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
        "reconnect_backoff_max_ms": 1000,
        "kafka_client": OrderlyClient,
    }
    if settings.security_protocol.startswith("SASL") != (settings.sasl_mechanism is not None):
        raise ConfigurationError(
            f"CORPUSWORKS_KAFKA__SECURITY_PROTOCOL={settings.security_protocol} does not go with "
            f"CORPUSWORKS_KAFKA__SASL_MECHANISM={settings.sasl_mechanism or ''}"
        )
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = settings.tls.context()
    if settings.sasl_mechanism == "OAUTHBEARER":
        options |= {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": _TokenFile(settings)}
    elif settings.sasl_mechanism:
        password = secret(settings.sasl_password, settings.sasl_password_file)
        if not (settings.sasl_username and password):
            raise ConfigurationError(
                f"CORPUSWORKS_KAFKA__SASL_MECHANISM={settings.sasl_mechanism} needs "
                "CORPUSWORKS_KAFKA__SASL_USERNAME and CORPUSWORKS_KAFKA__SASL_PASSWORD_FILE"
            )
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": password,
        }
    return options


def admin(settings: Settings, *, bootstrap_ms: int) -> Any:
    """A KafkaAdminClient, or what answers the same questions of a journal. Raises KafkaError."""
    if (log := journal.cluster_at(settings.kafka.bootstrap_servers)) is not None:
        return log.admin()
    return KafkaAdminClient(**connection(settings.kafka), bootstrap_timeout_ms=bootstrap_ms)


def consumer(
    settings: Settings,
    group: str | None,
    *,
    instance: str = "",
    lanes: bool = False,
    gathers: bool = False,
    batch_seconds: float = 300.0,
    max_records: int = 1000,
) -> Any:
    """A consumer that never commits by itself and reads what is committed: see clients.broker.Consumer.

    instance: a stable name makes the member static, so that a restart within the session timeout
    takes its partitions up again without a rebalance. lanes: partition i of every topic stays with
    one member (range), else cooperative sticky. gathers: one member has all. batch_seconds: longest time
    between two polls.
    """
    kafka = settings.kafka
    if (log := journal.cluster_at(kafka.bootstrap_servers)) is not None:
        return log.consumer(None if group is None else GROUP_PREFIX + group, gathers=gathers)
    options: dict[str, Any] = {}
    if group is not None:
        assignor = RangePartitionAssignor if lanes else CooperativeStickyAssignor
        assignor = OneOwner if gathers else assignor
        options = {
            "group_id": GROUP_PREFIX + group,
            "session_timeout_ms": int(kafka.session_timeout_s * 1000),
            "heartbeat_interval_ms": int(kafka.session_timeout_s * 1000 / 5),
            "max_poll_interval_ms": int(batch_seconds * 1000),
            "metadata_max_age_ms": _METADATA_MS,
            "partition_assignment_strategy": [assignor],
        }
        if instance:
            options["group_instance_id"] = f"{group}-{instance}"
    return GroupConsumer(
        **connection(kafka),
        metrics_enabled=False,
        **options,
        isolation_level="read_committed",
        enable_auto_commit=False,
        # A group begins where it is told to (loops/offsets.py); who reads outside of one, at what is left.
        auto_offset_reset="earliest" if group is None else "none",
        max_poll_records=max_records,
        fetch_max_bytes=settings.batch.max_bytes,
        max_partition_fetch_bytes=4 << 20,
        allow_auto_create_topics=False,
    )


def producer(settings: Settings, transactional_id: str | None) -> Any:
    """An idempotent producer; transactional when it has an id: see clients.broker.Producer.

    Batches are large: a commit flushes them.
    """
    kafka = settings.kafka
    if (log := journal.cluster_at(kafka.bootstrap_servers)) is not None:
        return log.producer(transactional_id or "", kafka.compression)
    options: dict[str, Any] = {}
    if transactional_id:
        options = {
            "transactional_id": GROUP_PREFIX + transactional_id,
            "transaction_timeout_ms": int(kafka.transaction_timeout_s * 1000),
        }
    made = BoundedProducer(
        **connection(kafka),
        metrics_enabled=False,
        **options,
        metadata_max_age_ms=_METADATA_MS,
        compression_type=None if kafka.compression == "none" else kafka.compression,
        linger_ms=20,
        batch_size=512 << 10,
        max_request_size=MAX_REQUEST_BYTES,
        max_block_ms=int(kafka.transaction_timeout_s * 1000),
        allow_auto_create_topics=False,
    )
    if transactional_id:
        be_strict(made)
    return made


@contextmanager
def filling(producer: Any, topics: Collection[str]) -> Iterator[None]:
    """Round many sends to these topics that a flush or a commit follows: wake the sender now and then.

    kafka-python's send wakes its sending thread for every record while more than one batch waits: a
    system call and a change of threads each, a tenth of the loop's CPU at 5 kB a record. Each time that
    thread tells the transaction's coordinator of new partitions; and each new topic would be asked for alone.
    Raises KafkaError.
    """
    sender = getattr(producer, "_sender", None)
    if sender is None:  # one that sends nothing
        yield
        return
    sender._topics_to_add.update(topics)  # at once, that the first of them is waited for with all
    for topic in topics:
        producer.partitions_for(topic)
    wake_up, last = sender.wakeup, time.monotonic()

    def wake_rarely() -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _WAKE_S:
            last = now
            wake_up()

    sender.wakeup = wake_rarely
    try:
        yield
    finally:
        sender.wakeup = wake_up


# What no waiting mends of what a broker says, by the name of its error: what to do, and why.
_REFUSED = {
    "InvalidSessionTimeoutError": (
        "correct CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S",
        "takes no such one (group.min.session.timeout.ms, 6 s as it comes, and group.max.session.timeout.ms)",
    ),
    "InvalidTransactionTimeoutError": (
        "correct CORPUSWORKS_KAFKA__TRANSACTION_TIMEOUT_S",
        "takes none so long (transaction.max.timeout.ms, 900 s as it comes)",
    ),
    "InvalidReplicationFactorError": (
        "correct CORPUSWORKS_KAFKA__REPLICATION_FACTOR",
        "has fewer brokers than that",
    ),
    "InvalidTimestampError": (
        "set this machine's clock, or that of the broker's",
        "takes nothing from one so far ahead of its own (message.timestamp.after.max.ms, 1 h as it comes)",
    ),
}


def refuse(error: BaseException) -> None:
    """Raises ConfigurationError where an error is about a setting or a clock: waiting mends nothing."""
    for name, (what, why) in _REFUSED.items():
        if name in repr(error):
            raise ConfigurationError(f"{what}: this Kafka {why}") from error


def patiently(ask: Callable[[], T]) -> T:
    """Ask again while the broker starts, moves coordinators or comes back.

    Raises DependencyDown, ConfigurationError.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except KafkaError as error:
            refuse(error)
            if not error.retriable or time.monotonic() > deadline:
                raise DependencyDown("Kafka", error) from error
            time.sleep(0.2)
