"""What Redis remembers of uploads, on a real one: each document in one state, whatever is heard when."""

from __future__ import annotations

import itertools

import pytest

from services.ingest.upload.states import BASE, Item, Move, States
from services.ingest.upload.stored import Delivery
from services.runtime import DependencyDown, Resources, load_settings
from tests.servers import RedisServer

pytestmark = pytest.mark.stack
DELIVERY = Delivery("f", "b", "team", "a.txt", 5, "pieces", 1_700_000_000_000)


@pytest.fixture
def states(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> States:
    monkeypatch.setenv("CORPUSWORKS_REDIS_URL", server.url)
    server.client().flushall()
    found = States(Resources(load_settings()), keep_days=2)
    found.received(DELIVERY)
    found.register("b", [Item(f"{n:016x}", "under_way", f"upload://b/f#{n}") for n in range(4)])
    return found


def numbers(states: States) -> dict[str, int]:
    found = states.batch("b")
    assert sum(found["states"].values()) == found["documents"]
    assert sum(each["documents"] for each in found["reasons"]) == sum(
        found["states"][state] for state in ("dropped", "dead", "unreadable", "skipped")
    )
    return {state: number for state, number in found["states"].items() if number}


def test_events_may_come_in_any_order(states: States) -> None:
    """Prevents a document in a part that is said to wait, since two topics are read one after the other."""
    uid = f"{0:016x}"
    for order in itertools.permutations([Move(uid, "kept"), Move(uid, "in_part")]):
        states.move(order)
        assert numbers(states) == {"under_way": 3, "in_part": 1}
    assert states.move([Move(uid, "dropped", "mixer", "superseded")]) == 0


def test_what_is_heard_twice_changes_nothing(states: States) -> None:
    """Prevents counts that grow when the follower is killed between what it heard and where it stands."""
    uid = f"{1:016x}"
    told = [Move(uid, "kept"), Move(uid, "dropped", "mixer", "superseded"), Move("f" * 16, "kept")]
    assert states.move(told) == 2
    assert states.move(told) == 0
    states.register("b", [Item(uid, "under_way", "upload://b/f#1")])
    assert numbers(states) == {"under_way": 3, "dropped": 1}
    assert states.batch("b")["reasons"] == [
        {"state": "dropped", "unit": "mixer", "reason": "superseded", "documents": 1}
    ]


def test_a_dead_letter_that_is_put_back_is_under_way(states: States) -> None:
    """Prevents a document that is dead for ever in the eyes of its sender."""
    uid = f"{2:016x}"
    states.move([Move(uid, "dead", "parse"), Move(uid, "under_way")])
    assert numbers(states) == {"under_way": 4}
    assert states.batch("b")["reasons"] == []


def test_a_delivery_is_read_by_one_at_a_time(states: States, server: RedisServer) -> None:
    """Prevents two replicas on one file, and a file that nobody reads after a kill."""
    assert states.take("one", 10) == ["f"]
    assert states.take("two", 10) == []
    assert states.hold("f", "one")
    assert not states.hold("f", "two")
    server.client().delete(f"{BASE}lease:f")  # as when its time is over
    assert states.take("two", 10) == ["f"]
    assert not states.hold("f", "one")
    states.give_back("f", "one")
    assert states.take("three", 10) == []
    states.finished(DELIVERY, "broken")
    assert states.waiting() == 0
    found = states.batch("b")
    assert (found["files"], found["files_read"], found["problems"]) == (1, 1, {"f": "broken"})


def test_everything_is_forgotten_some_day(states: States, server: RedisServer) -> None:
    """Prevents a Redis that grows with every upload there ever was."""
    states.move([Move(f"{0:016x}", "dropped", "rules", "too_short"), Move(f"{1:016x}", "kept")])
    states.finished(DELIVERY, "broken")
    states.spend("team", "2026-11-27", 5, 1)
    states.begin_at({("river.tally", 0): 5})
    client = server.client()
    known = list(client.scan_iter())
    lasting = {key for key in known if client.ttl(key) < 0}
    assert lasting == {f"{BASE}places".encode()}, "and where the follower stands does not grow"
    assert all(b"{upload}" in key for key in known), "all in one slot"


def test_a_redis_that_is_away_is_no_answer(states: States, server: RedisServer) -> None:
    """Prevents an acknowledgement, or a batch that is said not to be there, while Redis is away."""
    server.stop()
    try:
        with pytest.raises(DependencyDown, match="Redis"):
            states.owner("b")
    finally:
        server.start()
    assert states.owner("b") == "team"
