"""Tokens that are ready, and how far a run has come, by what lies in the store."""

from __future__ import annotations

import pytest

from contracts import TrainEvent
from services.launcher.events import Course, keep_course, load_course, segment, segment_key
from services.launcher.supply import Supply
from services.runtime import CorpusworksError, ObjectStore
from tests.unit.launcher.store import RUN, catalogue, memory, name_of, say, step


def test_parts_are_added_up_as_they_come() -> None:
    store = memory()
    supply = Supply(store)
    assert (supply.follow(), supply.ready, supply.phase, supply.num_parts) == (False, 0, "", 0)
    catalogue(store, 0, (100, "stable"), (50, "stable"))
    assert (supply.follow(), supply.ready, supply.phase) == (True, 150, "stable")
    assert not supply.follow()
    catalogue(store, 2, (30, "anneal"))
    assert (supply.follow(), supply.ready, supply.num_parts) == (True, 180, 3)


def test_the_phase_is_that_of_the_next_token() -> None:
    """Prevents: a job of the next phase while the trainer is still in this one, or never."""
    store = memory()
    catalogue(store, 0, (100, "stable"), (50, "anneal"), (50, "last"))
    supply = Supply(store)
    supply.follow()
    assert supply.phase == "stable"
    supply.advance(99)
    assert supply.phase == "stable"
    supply.reach([name_of(0)])
    assert (supply.consumed, supply.phase) == (100, "anneal")
    supply.reach([name_of(0), "unknown"])
    assert supply.consumed == 100
    supply.reach([name_of(1), name_of(2)])
    assert (supply.consumed, supply.phase) == (200, "last"), "all is behind it: the last phase there was"
    supply.advance(10)
    assert supply.consumed == 200


def test_a_course_is_read_event_by_event_and_kept() -> None:
    store = memory()
    say(store, 0, TrainEvent(kind="start"), step(10, 1000, 0, 1, loss=2.5), TrainEvent(kind="skip", step=11, loss=9.0))
    say(store, 3, TrainEvent(kind="end", step=12, detail="starved"))
    course = Course(topic="t")
    for first in (0, 3):
        for event in segment(store, RUN, first):
            course = course.after(event)
    assert course == Course(4, 12, 1000, 2.5, (name_of(0), name_of(1)), "", "t")
    keep_course(store, RUN, course)
    assert load_course(store, RUN) == course
    assert load_course(store, "another") == Course()
    assert segment(store, RUN, 4) == []


@pytest.mark.parametrize(("detail", "ended"), [("done", "done"), ("", "done"), ("stopped", ""), ("starved", "")])
def test_an_end_is_one_when_the_run_is_over(detail: str, ended: str) -> None:
    """Prevents: a suspended run that is taken to be done, and never goes on."""
    course = Course().after(TrainEvent(kind="end", step=3, detail=detail))
    assert course.ended == ended
    assert course.after(TrainEvent(kind="start", step=3)).ended == "", "it was begun again, for more steps"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b'{"kind": "step", "number": 7}\n', b'{"kind": 3, "number": 0}\n', b"\xff\n", b'{"step": "x"}\n'],
)
def test_a_damaged_segment_is_named(damaged: bytes) -> None:
    store = memory()
    store.put(segment_key(RUN, 0), damaged)
    with pytest.raises(CorpusworksError, match=r"events/000000000000.jsonl is damaged"):
        segment(store, RUN, 0)


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{}", b'{"next": 1, "unknown": 2, "parts": []}'])
def test_a_damaged_place_is_named(damaged: bytes) -> None:
    store: ObjectStore = memory()
    store.put(f"train/{RUN}/followed.json", damaged)
    with pytest.raises(CorpusworksError, match="followed.json is damaged"):
        load_course(store, RUN)
