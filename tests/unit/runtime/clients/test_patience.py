"""How long a consumer's fetch waits at the broker for what has nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    InvalidReplicationFactorError,
    InvalidSessionTimeoutError,
    InvalidTimestampError,
    KafkaError,
    LeaderNotAvailableError,
)

from services.runtime import ConfigurationError, Settings
from services.runtime.clients import kafka, polling
from services.runtime.clients.polling import GroupConsumer
from services.runtime.process.lifecycle import Process

FLOWING = TopicPartition("pool.control", 0)


class Polled(GroupConsumer):
    """Without a broker. found: what the next polls give. waits: milliseconds of each one's fetch.

    lies: more has been fetched than they give.
    """

    def __init__(
        self, found: list[dict[TopicPartition, list[Any]]], paused: set[TopicPartition], lies: bool = False
    ) -> None:
        self.config = {"group_id": "a group"}
        self._coordinator = SimpleNamespace(rejoining=False)
        self._fetcher = SimpleNamespace(
            _next_partition_records=None, _completed_fetches=[object()] if lies else [], config={}
        )
        self._found, self._paused, self.waits = found, paused, list[int]()

    def paused(self) -> set[TopicPartition]:
        return self._paused


def waits(
    monkeypatch: pytest.MonkeyPatch,
    found: list[dict[TopicPartition, list[Any]]],
    paused: bool = False,
    lies: bool = False,
    timeout_ms: int = 0,
) -> list[int]:
    def poll(self: Polled, timeout_ms: int, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        self.waits.append(self._fetcher.config["fetch_max_wait_ms"])
        return self._found.pop(0)

    monkeypatch.setattr(KafkaConsumer, "poll", poll)
    consumer = Polled(list(found), {FLOWING} if paused else set(), lies)
    for _ in found:
        consumer.poll(timeout_ms)
    return consumer.waits


def test_what_flows_does_not_wait_for_what_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a lane with a dry pool that reads a thousand messages each half second, since every question
    for an end stands behind a fetch that finds nothing; a river at rest that asks fifty times a second."""
    some = {FLOWING: [object()]}
    at_rest, flowing, last, rests, *_, quiet = waits(monkeypatch, [some, some, {}, {}, {}, {}, {}], lies=True)
    assert at_rest == rests == 500
    assert flowing == last <= 20
    assert quiet == 1000


def test_a_poll_behind_what_flowed_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a fetch of a moment before another of the rest of the poll, in every process behind each few
    documents, a millisecond of CPU each; one that is longer than the poll, behind which a resumed partition
    and the next question would wait.
    """
    some = {FLOWING: [object()]}
    assert waits(monkeypatch, [some, {}], timeout_ms=250)[1] == 250
    assert waits(monkeypatch, [some, {}], timeout_ms=50)[1] == 100, "and not every few milliseconds"
    assert waits(monkeypatch, [{}], timeout_ms=250, paused=True) == [250]


def test_what_is_resumed_waits_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a bucket that is taken up again half a second late."""
    (wait,) = waits(monkeypatch, [{}], paused=True)
    assert wait == 100


def test_an_answer_that_lacks_a_partition_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a river that ends with a traceback since the client falls over such an answer."""
    left = [KeyError(FLOWING), KeyError(FLOWING), {FLOWING: 7}]

    def answer(*_: Any) -> dict[TopicPartition, int]:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, KeyError):
            raise found
        return found

    monkeypatch.setattr(polling, "_AGAIN_S", 0.0)
    for name in ("end_offsets", "beginning_offsets"):
        monkeypatch.setattr(KafkaConsumer, name, answer)
    assert Polled([], set()).end_offsets([FLOWING]) == {FLOWING: 7}
    left[:] = [KeyError(FLOWING)]
    with pytest.raises(LeaderNotAvailableError, match=r"pool\.control") as caught:
        Polled([], set()).beginning_offsets([FLOWING])
    assert caught.value.retriable, "so that who asks patiently asks again"


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (InvalidSessionTimeoutError(), "KAFKA__SESSION_TIMEOUT_S"),
        (InvalidReplicationFactorError(), "KAFKA__REPLICATION_FACTOR"),
        (InvalidTimestampError("One or more records have been rejected"), "set this machine's clock"),
        (
            KafkaError("Unexpected error: [Error 50] InvalidTransactionTimeoutError"),
            "KAFKA__TRANSACTION_TIMEOUT_S",
        ),
    ],
)
def test_a_setting_that_a_broker_never_takes_is_not_asked_for_again(error: KafkaError, setting: str) -> None:
    """Prevents: services that wait for ever, or a `Kafka does not answer` with a whole request in it."""

    def ask() -> None:
        raise error

    for refused in (lambda: kafka.patiently(ask), lambda: Process(Settings(), "a service").failed(error)):
        with pytest.raises(ConfigurationError, match=setting):
            refused()
