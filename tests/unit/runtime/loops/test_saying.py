"""What is said again and again by one producer, on a broker in memory."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaError

from services.runtime import Fenced, Settings
from services.runtime.loops.transaction import Produce, Transactions, say_by
from tests.memory_broker import MemoryBroker, MemoryProducer


def test_who_was_pushed_aside_says_the_next_thing_again(settings: Settings, broker: MemoryBroker) -> None:
    """Prevents a river that can never flush again once another process has said something by its name."""
    broker.create_topic("told", 1)
    ours, theirs = (Transactions(settings, "flush", "flush", broker) for _ in range(2))
    say_by(ours, [Produce("told", b"1", partition=0)])
    say_by(ours, [Produce("told", b"2", partition=0)])
    say_by(theirs, [Produce("told", b"3", partition=0)])
    with pytest.raises(Fenced):
        say_by(ours, [Produce("told", b"lost", partition=0)])
    say_by(ours, [Produce("told", b"4", partition=0)])
    with broker.log() as log:
        assert [record.value for record in log.read_all("told")] == [b"1", b"2", b"3", b"4"]


def test_who_learns_between_two_calls_that_it_was_pushed_aside_does_not_push_back(
    settings: Settings, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents two processes of one name that take it from each other for ever: the real client's later calls
    raise an error that looks like any other.
    """

    def any_error(producer: MemoryProducer) -> None:
        if producer.fenced():
            raise KafkaError("we are in an error state")

    monkeypatch.setattr(MemoryProducer, "_check", any_error)
    broker.create_topic("told", 1)
    ours, theirs = (Transactions(settings, "flush", "flush", broker) for _ in range(2))
    ours.commit([Produce("told", b"1", partition=0)], {}, None)
    theirs.commit([Produce("told", b"2", partition=0)], {}, None)
    with pytest.raises(Fenced, match="another process runs as flush"):
        ours.commit([Produce("told", b"lost", partition=0)], {}, None)
