"""Offsets are never guessed: each loss ends in the refusal, the way out works, and an idle lag is 0."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from kafka import KafkaAdminClient, TopicPartition

from contracts import Control, Document, Flush, PartSealed
from services.local.stack import Stack
from services.runtime.clients.admin import Admin
from services.runtime.clients.kafka import GROUP_PREFIX, connection
from services.runtime.clients.log import Log
from services.runtime.errors import EXIT_CONFIGURATION
from services.runtime.loops.transaction import Produce
from services.runtime.mend import mend, survey
from services.runtime.topology import DEFAULT
from tests.integration.rig import CARD, Rig, rig, unit

pytestmark = pytest.mark.stack

SETTINGS = {"CORPUSWORKS_PARTITIONS": "2", "CORPUSWORKS_KAFKA__SESSION_TIMEOUT_S": "3"}


@contextmanager
def _admin(river: Rig) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(**connection(river.settings.kafka))
    try:
        yield client
    finally:
        client.close()


def _wait_until(true: Callable[[], Any], what: str, timeout_s: float = 40) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def _deleted(client: KafkaAdminClient, group: str, offsets: list[TopicPartition]) -> bool:
    """Whether the broker has let go of them, which it does not while the group has members."""
    return not any(each.errno for each in client.delete_group_offsets(group, offsets).values())


def _lag(river: Rig) -> dict[tuple[str, str, int], int]:
    """As kafka-consumer-groups and KEDA count it, by group, topic and partition."""
    with Admin(river.settings) as admin, Log(river.settings) as log:
        found: dict[tuple[str, str, int], int] = {}
        for service in river.topology.services.values():
            topics = [name for topic in service.inputs for name in river.topology.expand(topic)]
            committed = admin.committed(service.name)
            found |= {
                (service.name, *tp): end - committed.get(tp, -1) for tp, end in log.ends(topics).items()
            }
    return found


def _serve_until_idle(river: Rig, number: int) -> None:
    process = river.serve()
    river.wait_for(number, river.output)
    _wait_until(lambda: not any(_lag(river).values()), "a lag of 0")
    process.terminate()
    assert process.wait(20) == 0


def _refused(river: Rig) -> str:
    """What it says when it is started."""
    before = len(river.log())
    assert river.serve().wait(60) == EXIT_CONFIGURATION
    said = river.log()[before:]
    assert "Traceback" not in said
    assert f"corpusworks offsets mend {river.name}" in said
    return said


def _publish(river: Rig, first: int, number: int) -> None:
    river.publish([Document(uid=uid, text="sound") for uid in range(first, first + number)])


def test_a_topic_made_anew_is_noticed(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: the offsets of one log read as those of another, its first messages never read."""
    with rig(shared_stack, tmp_path, "remade", unit("remade", "tests.units:POISONED"), **SETTINGS) as river:
        _publish(river, 1, 6)
        _serve_until_idle(river, 6)
        with _admin(river) as client:
            client.delete_topics([river.source])
            _wait_until(lambda: river.source not in client.list_topics(), "the topic is gone")
        with Admin(river.settings) as admin:
            admin.create_topics(river.topology.topics().values())
        _publish(river, 7, 4)
        said = _refused(river)
        assert "remade.in partition 0: the topic was made anew" in said
        assert [c.remade for c in survey(river.settings, river.topology)] == [True, True]
        mended = mend(river.settings, river.topology, ["remade"])
        assert [(m.cursor.partition, m.offset) for m in mended] == [(0, 0), (1, 0)]
        _serve_until_idle(river, 10)
        assert sorted(d.uid for d in river.documents()) == list(range(1, 11))
        assert mend(river.settings, river.topology, []) == []


def test_messages_deleted_before_they_were_read_are_noticed(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: retention that overtook a service that was down, and nobody who hears of it."""
    with rig(shared_stack, tmp_path, "cut", unit("cut", "tests.units:POISONED"), **SETTINGS) as river:
        _publish(river, 2, 6)
        _serve_until_idle(river, 6)
        river.publish([Document(uid=uid, text="sound") for uid in range(10, 15)], partition=1)
        with _admin(river) as client:
            client.delete_records({TopicPartition(river.source, 1): 6})
        committed = river.committed()[river.source, 1]
        said = _refused(river)
        with Log(river.settings) as log:
            start, end = (
                log.starts([river.source])[river.source, 1],
                log.ends([river.source])[river.source, 1],
            )
        assert f"cut.in partition 1: the offset {committed} is outside the log" in said
        assert f"goes from {start} to {end}" in said
        assert "partition 0" not in said
        (mended,) = mend(river.settings, river.topology, [])
        assert (mended.cursor.partition, mended.offset) == (1, 6)
        assert f"{6 - committed} messages are lost" in mended.said
        _serve_until_idle(river, 6 + end - 1 - 6)


def test_offsets_that_are_gone_are_noticed_and_a_first_start_is_none(
    shared_stack: Stack, tmp_path: Path
) -> None:
    """Prevents: a service that was down for a week and begins at the beginning, or at the end, unasked."""
    with rig(shared_stack, tmp_path, "gone", unit("gone", "tests.units:PLACED"), **SETTINGS) as river:
        _publish(river, 1, 6)
        _serve_until_idle(river, 6)
        with _admin(river) as client:
            places = [TopicPartition(river.source, p) for p in (0, 1)]
            id_ = next(t["topic_id"] for t in client.describe_topics([river.source]))
            _wait_until(
                lambda: (
                    not any(
                        e.errno for e in client.delete_group_offsets(GROUP_PREFIX + "gone", places).values()
                    )
                ),
                "the group lets its offsets be deleted",
            )
        assert "its offset is gone" in _refused(river)
        mended = mend(river.settings, river.topology, [])
        assert [m.offset for m in mended] == [0, 0]
        _publish(river, 7, 2)
        _serve_until_idle(river, 6 + 8)
        assert sorted({d.uid for d in river.documents()}) == list(range(1, 9))
        places_said = {d.metadata["place"].split()[1] for d in river.documents()}
        assert places_said == {str(id_)}
        begun = {d.metadata["begun"] for d in river.documents()}
        assert f"{{('{id_}', 0): 0, ('{id_}', 1): 0}}" in begun


def test_a_unit_that_refuses_where_the_group_stands_ends_the_service(
    shared_stack: Stack, tmp_path: Path
) -> None:
    """Prevents: a crash loop, or documents judged, when an index says that it has forgotten."""
    with rig(shared_stack, tmp_path, "refuses", unit("refuses", "tests.units:PLACED"), **SETTINGS) as river:
        (tmp_path / "store" / "obstacle").write_text("the index has forgotten: rebuild it")
        _publish(river, 1, 6)
        assert river.serve().wait(60) == EXIT_CONFIGURATION
        assert "corpusworks: the index has forgotten: rebuild it" in river.log()
        assert river.documents() == []


@pytest.mark.soak
def test_an_idle_lane_has_no_lag_and_goes_on_by_its_own_log(shared_stack: Stack, tmp_path: Path) -> None:
    """Prevents: alerts and replicas for markers of transactions, and parts sealed twice after a loss."""
    table = yaml.safe_load(DEFAULT.read_text())
    chosen = {name: table["services"][name] for name in ("mixer", "sink")}
    settings = SETTINGS | {"CORPUSWORKS_LANES": "2", "CORPUSWORKS_UNITS__MIXER__HOLD": "true"}
    with (
        Stack(tmp_path / "own") as own,
        rig(own, tmp_path, "idle", chosen, table["topics"], **settings) as river,
    ):
        river.produce([_pooled(uid) for uid in range(1, 13)])
        river.produce(
            [
                Produce("pool.control", Control(flush=Flush(run="1")).SerializeToString(), partition=p)
                for p in (0, 1)
            ]
        )
        processes = [river.serve(name) for name in chosen]
        river.wait_for(2, "shards.sealed")
        _wait_until(lambda: not any(_lag(river).values()), "a lag of 0")
        for process in processes:
            process.terminate()
        assert [process.wait(20) for process in processes] == [0, 0]
        marks = {service: river.committed(service) for service in chosen}
        with _admin(river) as client:
            for service, places in marks.items():
                wanted = [TopicPartition(*tp) for tp in places]
                _wait_until(
                    partial(_deleted, client, GROUP_PREFIX + service, wanted),
                    "the group lets its offsets be deleted",
                )
        assert river.serve("sink").wait(60) == EXIT_CONFIGURATION
        assert "docs.mixed partition 0" in river.log("sink")
        mended = {
            (m.cursor.group, m.cursor.topic, m.cursor.partition): m.offset
            for m in mend(river.settings, river.topology, [])
        }
        for (group, topic, partition), offset in mended.items():
            # a marker or a flush at the most lies between
            assert 0 <= marks[group][topic, partition] - offset <= 3, (group, topic, partition, offset)
        river.produce([_pooled(uid) for uid in range(13, 17)])
        river.produce(
            [
                Produce("pool.control", Control(flush=Flush(run="2")).SerializeToString(), partition=p)
                for p in (0, 1)
            ]
        )
        processes = [river.serve(name) for name in chosen]
        parts = [PartSealed.FromString(r.value) for r in river.wait_for(4, "shards.sealed")]
        assert sum(part.num_documents for part in parts) == 16


def _pooled(uid: int) -> Produce:
    bucket = ("zh", "en", "code")[uid % 3]
    tokens = np.arange(1, 20, dtype="<u4")
    document = Document(id=f"document {uid}", uid=uid, bucket=bucket, language="en", num_tokens=len(tokens))
    document.token_ids, document.tokenizer = tokens.tobytes(), CARD.digest
    return Produce(f"pool.{bucket}", document.SerializeToString(), uid.to_bytes(8, "big"), uid % 2)
