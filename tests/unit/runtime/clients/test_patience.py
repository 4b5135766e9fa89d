"""How long a consumer's fetch waits at the broker for what has nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import LeaderNotAvailableError

from services.runtime.clients import kafka
from services.runtime.clients.kafka import GroupConsumer

FLOWING = TopicPartition("pool.control", 0)


class Polled(GroupConsumer):
    """Without a broker. found: what the next polls give. waits: milliseconds of each one's fetch."""

    def __init__(self, found: list[dict[TopicPartition, list[Any]]], paused: set[TopicPartition]) -> None:
        self.config = {"group_id": "a group"}
        self._coordinator = SimpleNamespace(rejoining=False)
        self._fetcher = SimpleNamespace(_next_partition_records=None, config={})
        self._found, self._paused, self.waits = found, paused, list[int]()

    def paused(self) -> set[TopicPartition]:
        return self._paused


def waits(
    monkeypatch: pytest.MonkeyPatch, found: list[dict[TopicPartition, list[Any]]], paused: bool = False
) -> list[int]:
    def poll(self: Polled, timeout_ms: int, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        self.waits.append(self._fetcher.config["fetch_max_wait_ms"])
        return self._found.pop(0)

    monkeypatch.setattr(KafkaConsumer, "poll", poll)
    consumer = Polled(list(found), {FLOWING} if paused else set())
    for _ in found:
        consumer.poll()
    return consumer.waits


def test_what_flows_does_not_wait_for_what_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a lane with a dry pool that reads a thousand messages each half second, since every question
    for an end stands behind a fetch that finds nothing; a river at rest that asks fifty times a second."""
    some = {FLOWING: [object()]}
    at_rest, flowing, last, rests, *_, quiet = waits(monkeypatch, [some, some, {}, {}, {}, {}, {}])
    assert at_rest == rests == 500
    assert flowing == last <= 20
    assert quiet == 1000


def test_a_poll_after_something_flowed_asks_twice_and_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prevents: a dozen fetches of a millisecond of CPU each, in every process, behind each few documents."""
    asked: list[tuple[int, int]] = []
    answers: list[dict[TopicPartition, list[Any]]] = [
        {FLOWING: [1]},
        {},
        {},
        {FLOWING: [2]},
        {},
        {FLOWING: [3]},
    ]

    def poll(self: Polled, timeout_ms: int, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        asked.append((timeout_ms, self._fetcher.config["fetch_max_wait_ms"]))
        return answers.pop(0)

    monkeypatch.setattr(KafkaConsumer, "poll", poll)
    consumer = Polled([], set())
    assert consumer.poll(250)
    assert not consumer.poll(250)
    assert asked == [(250, 500), (20, 20), (230, 230)]
    assert consumer.poll(250) == {FLOWING: [2]}
    assert consumer.poll(250) == {FLOWING: [3]}, "what comes in the rest of the poll is not lost"
    assert asked[3:] == [(250, 500), (20, 20), (230, 230)]


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

    monkeypatch.setattr(kafka, "_AGAIN_S", 0.0)
    for name in ("end_offsets", "beginning_offsets"):
        monkeypatch.setattr(KafkaConsumer, name, answer)
    assert Polled([], set()).end_offsets([FLOWING]) == {FLOWING: 7}
    left[:] = [KeyError(FLOWING)]
    with pytest.raises(LeaderNotAvailableError, match=r"pool\.control") as caught:
        Polled([], set()).beginning_offsets([FLOWING])
    assert caught.value.retriable, "so that who asks patiently asks again"
