"""Events: numbers without a gap, immutable segments, JSON that is a TrainEvent."""

from __future__ import annotations

import json
import logging
import math

import pytest
from google.protobuf.json_format import ParseDict

from contracts import TrainEvent
from tests.unit.trainer.objects import MemoryObjects
from trainer import events
from trainer.events import Events


def numbers(store: MemoryObjects, first: int = 0) -> list[int]:
    return [event.number for event in events.read(store, "first", first)]


def test_lines_are_train_events_by_their_names() -> None:
    """Prevents a line that the launcher cannot forward."""
    store = MemoryObjects()
    told = Events(store, "first")
    told.say(
        "quarantine",
        9,
        documents=[0xFEDCBA9876543210],
        loss=math.nan,
        bucket_loss={"zh": 3.5},
        bucket_tokens={"zh": 1 << 60},
        tokens=1 << 60,
        detail="为什么",
    )
    assert told.close()
    (data,) = store.objects.values()
    plain = json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (plain["run"], plain["number"], plain["step"], plain["tokens"]) == ("first", 0, 9, 1 << 60)
    event = ParseDict(plain, TrainEvent())
    assert list(event.documents) == [0xFEDCBA9876543210]
    assert math.isnan(event.loss)
    assert event.bucket_tokens["zh"] == 1 << 60
    assert abs(event.at_ms - 1_764_000_000_000) < 1e13


def test_numbers_have_no_gap_over_processes() -> None:
    """Prevents a follower from waiting for a number that never comes."""
    store = MemoryObjects()
    for _ in range(3):
        told = Events(store, "first")
        told.say("start", 0)
        told.say("step", 1, loss=2.0)
        assert told.close()
    assert numbers(store) == list(range(6))
    assert numbers(store, 4) == [4, 5]
    assert numbers(store, 6) == []


def test_a_segment_is_never_written_again() -> None:
    """Prevents an event that was read from changing when its answer was lost."""
    store = MemoryObjects()
    store.unheard = 1
    told = Events(store, "first", retry_s=0.0)
    told.say("start", 0)
    told.flush()
    before = dict(store.objects)
    told.say("step", 1, loss=2.0)
    assert told.close()
    assert before.items() <= store.objects.items()
    assert [(event.number, event.kind) for event in events.read(store, "first")] == [
        (0, "start"),
        (1, "step"),
    ]


def test_another_writer_is_overtaken_by_nobody() -> None:
    """Prevents two processes of one run from writing one number twice."""
    store = MemoryObjects()
    one, other = Events(store, "first"), Events(store, "first")
    for step in range(4):
        for told in (one, other):
            told.say("skip", step, detail=f"{id(told)}")
            assert told.flush()
    assert numbers(store) == list(range(8))
    assert one.close()
    assert other.close()


def test_a_wrong_field_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents a mistake in a message from ending a run."""
    store = MemoryObjects()
    told = Events(store, "first")
    with caplog.at_level(logging.WARNING):
        told.say("step", 1, los=2.0)
        told.say("step", 2, loss=2.0)
    assert told.close()
    assert [event.step for event in events.read(store, "first")] == [2]
    assert "an event step of step 1 is left out" in caplog.text


def test_a_line_that_is_none_costs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents damage in one segment from hiding the rest, or from moving the numbers."""
    store = MemoryObjects()
    told = Events(store, "first")
    for step in range(2):
        told.say("start", step)
        assert told.flush()
    store.objects[events.segment_key("first", 0)] = b"torn\n"
    with caplog.at_level(logging.WARNING):
        assert numbers(store) == [1]
    assert "000000000000.jsonl: a line is no event" in caplog.text
    assert told.close()


def test_a_store_that_is_away_keeps_the_order() -> None:
    """Prevents events from being lost or mixed up by a store that comes and goes."""
    store = MemoryObjects()
    store.away = OSError("away")
    told = Events(store, "first", retry_s=0.0)
    for step in range(5):
        told.say("skip", step)
        told.flush()
    store.away = None
    assert told.close()
    assert [event.step for event in events.read(store, "first")] == [0, 1, 2, 3, 4]
