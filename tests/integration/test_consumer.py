"""What the river relies on in the Kafka client, tried against the broker."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.net.connection import KafkaConnection

from contracts import Document
from services.local.stack import Stack
from services.runtime.clients.admin import Admin
from services.runtime.clients.broker import static_member
from services.runtime.clients.kafka import consumer
from services.runtime.clients.log import Log
from services.runtime.loops.transaction import Produce
from tests.integration.rig import rig, unit

pytestmark = pytest.mark.stack


class FromTheStart(ConsumerRebalanceListener):
    """A group without offsets begins at 0 because it is told to."""

    def __init__(self, member: KafkaConsumer) -> None:
        self._member = member

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        for tp in assigned:
            self._member.seek(tp, 0)

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Nothing is in hand."""


@pytest.mark.parametrize("lanes", [False, True], ids=["cooperative", "range"])
def test_polls_of_a_millisecond_join_the_group_for_good(
    shared_stack: Stack, tmp_path: Path, lanes: bool
) -> None:
    """Prevents: a join that is forgotten because a poll ended before it did; the service then reads
    nothing, and says nothing, for ever."""
    name = f"joining-{lanes}"
    with rig(shared_stack, tmp_path, name, unit(name, "tests.units:ECHO")) as river:
        river.publish([Document(uid=uid) for uid in range(1, 9)])
        for attempt in range(10):
            member = consumer(river.settings, f"{name}-{attempt}", instance="0", lanes=lanes)
            member.subscribe([river.source], listener=FromTheStart(member))
            found, deadline = 0, time.monotonic() + 10
            while found < 8:
                found += sum(map(len, member.poll(1).values()))
                assert time.monotonic() < deadline, f"attempt {attempt}: {found} of 8"
            member.close(autocommit=False)


def test_a_client_connects_once_and_a_transaction_tells_its_partitions_at_once(
    shared_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a second login to the broker that has just told of itself, and a request for each topic and
    partition that a transaction is the first to write, each a millisecond of CPU and more on both sides.
    """
    sent: list[str] = []
    asked_of: list[int] = []  # topics that each question for metadata names; none is for the brokers alone
    send = KafkaConnection._send_request

    def noting(self: KafkaConnection, request: Any, *args: Any, **options: Any) -> Any:
        sent.append(type(request).__name__)
        if sent[-1] == "MetadataRequest":
            asked_of.append(len(request.topics or ()))
        return send(self, request, *args, **options)

    with rig(shared_stack, tmp_path, "telling", unit("telling", "tests.units:ECHO")) as river:
        monkeypatch.setattr(KafkaConnection, "_send_request", noting)
        with Log(river.settings) as log:
            assert log.ends([river.source])
        assert sent.count("SaslAuthenticateRequest") == 1
        sent.clear()
        asked_of.clear()
        topics = [river.source, river.output]
        places = [(topic, p) for topic in topics for p in range(river.settings.partitions)]
        river.produce([Produce(topic, b"a", partition=partition) for topic, partition in places])
        assert sent.count("AddPartitionsToTxnRequest") == 1
        assert {0, *asked_of} == {0, len(topics)}, "that of the brokers, and one for all topics"
        assert sent.count("SaslAuthenticateRequest") == 2, "the broker, and the transaction's coordinator"
        assert len(river.records(*topics)) == len(places)


def test_a_member_that_left_for_good_is_dismissed(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: partitions that wait for the session of a process which a stage has too many of."""
    with rig(shared_stack, tmp_path, "leaving", unit("leaving", "tests.units:ECHO")) as river:
        river.publish([Document(uid=1)])
        name = static_member("1", [river.source])
        member = consumer(river.settings, "leaving-group", instance=name)
        member.subscribe([river.source], listener=FromTheStart(member))
        deadline = time.monotonic() + 10
        while not member.poll(100):
            assert time.monotonic() < deadline
        member.close(autocommit=False)
        with Admin(river.settings) as admin:
            assert admin.members("leaving-group") == 1, "a static one stays until its session is over"
            admin.dismiss("leaving-group", [name])
            assert admin.members("leaving-group") == 0


def test_what_was_laid_aside_for_a_pause_is_read_after_it(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: a bucket that is paused when its buffer is full and, once resumed, never read again."""
    with rig(shared_stack, tmp_path, "pausing", unit("pausing", "tests.units:ECHO")) as river:
        number = 50 * river.settings.partitions
        river.publish([Document(uid=uid) for uid in range(1, number + 1)])
        reader = consumer(river.settings, "pausing-reader", lanes=True, max_records=10)
        reader.subscribe([river.source], listener=FromTheStart(reader))
        offsets: list[tuple[int, int]] = []

        def read(until: int) -> None:
            deadline = time.monotonic() + 20
            while len(offsets) < until:
                for tp, records in reader.poll(200).items():
                    offsets.extend((tp.partition, record.offset) for record in records)
                assert time.monotonic() < deadline, f"{len(offsets)} of {until}"

        read(1)
        paused = [tp for tp in reader.assignment() if tp.partition == offsets[0][0]]
        reader.pause(*paused)
        read(len(offsets) + number - 50)  # all others, so that their fetches are read out
        reader.resume(*paused)
        read(number)
        assert len(set(offsets)) == number
        reader.close(autocommit=False)


def test_a_signal_ends_a_poll_that_waits(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: each end of a river that waits half a second for services which wait for documents; and a
    poll that is ended with less than what was there."""
    with rig(shared_stack, tmp_path, "woken", unit("woken", "tests.units:ECHO")) as river:
        river.publish([Document(uid=1)])
        member = consumer(river.settings, "woken-group", instance="0")
        member.subscribe([river.source], listener=FromTheStart(member))
        found, deadline = 0, time.monotonic() + 10
        while not found:
            found = sum(map(len, member.poll(100).values()))
            assert time.monotonic() < deadline
        before = signal.signal(signal.SIGALRM, lambda *_: member.wake())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            begun = time.monotonic()
            assert member.poll(20_000) == {}
            assert 0.1 < time.monotonic() - begun < 5
            assert member.poll(20_000) == {}
            assert time.monotonic() - begun < 5
        finally:
            signal.signal(signal.SIGALRM, before)
        member.close(autocommit=False)
