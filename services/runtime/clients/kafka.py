"""Kafka clients as the river uses them: transactional producers, read_committed consumers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError
from kafka.net.sasl.oauth import AbstractTokenProvider

from services.runtime import journal
from services.runtime.clients.loop import OrderlyClient
from services.runtime.clients.polling import GroupConsumer, OneOwner
from services.runtime.clients.refused import be_strict
from services.runtime.clients.sending import BoundedProducer
from services.runtime.errors import ConfigurationError, DependencyDown
from services.runtime.settings import KafkaSettings, Settings, secret

GROUP_PREFIX = "corpusworks."  # consumer groups are corpusworks.<service>

# A message may be this long; larger fields are in the object store. Kafka's own default limit.
MAX_REQUEST_BYTES = 1 << 20

_METADATA_MS = 30_000  # new partitions and topics are known so soon
PATIENCE_S = 60.0  # a broker that was killed recovers its log before it answers

T = TypeVar("T")


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
