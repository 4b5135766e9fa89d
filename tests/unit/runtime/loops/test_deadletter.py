"""Dead letters as tools know them, and the guard against a flood of them."""

from __future__ import annotations

import pytest

from contracts import Document
from services.runtime import DeadLetterFlood
from services.runtime.loops.deadletter import ERROR_HEADER, FloodGuard, dead_letter
from services.runtime.loops.unit_messages import produced
from services.runtime.process.frames import Beside, Item, Outcome, first_place

DEAD, EMIT = Outcome("dead", "rules", error="ValueError: x"), Outcome("emit", "rules")


def test_a_dead_letter_is_the_message_with_what_happened() -> None:
    """Prevents a dead letter that cannot be put back, or that does not say whose fault it was."""
    item = Item(b"\x00as it was\xff", "docs.raw", 3, 41)
    letter = dead_letter(item, Outcome("dead", "parse", error="ValueError: 坏", stack="Traceback …"), "T1")
    assert letter.topic == "docs.raw.dlq"
    assert letter.value == item.value
    assert {name.removeprefix(ERROR_HEADER): value.decode() for name, value in letter.headers} == {
        "topic": "docs.raw",
        "topic.id": "T1",
        "partition": "3",
        "offset": "41",
        "stage": "parse",
        "exception.message": "ValueError: 坏",
        "exception.stacktrace": "Traceback …",
    }
    assert all(name.startswith("__connect.errors.") for name, _ in letter.headers)


def test_a_redriven_document_that_dies_again_says_where_it_was_read_first() -> None:
    """Prevents a document that is redriven twice from being taken for a second copy of itself."""
    letter = dead_letter(Item(b"x", "docs.raw", 2, 77, "T0/1/5"), DEAD, "T1")
    said = {name.removeprefix(ERROR_HEADER): value.decode() for name, value in letter.headers}
    assert (said["topic.id"], said["partition"], said["offset"]) == ("T0", "1", "5")


@pytest.mark.parametrize("header", ["", "x", "T0/1", "T0/1/-3", "/1/2", "T0/a/b"])
def test_a_header_that_names_no_place_is_passed_over(header: str) -> None:
    """Prevents a stranger's header of that name from crashing the loop."""
    assert first_place(header) is None


def test_a_dead_letter_stays_under_the_limit_of_a_message() -> None:
    """Prevents a stack of a megabyte from making the dead letter itself undeliverable; its end is kept."""
    item = Item(b"x" * 900_000, "docs.raw", 0, 0)
    letter = dead_letter(
        item, Outcome("dead", "parse", error="坏" * 1_000_000, stack="文" * 1_000_000 + "the end"), "T1"
    )
    size = len(letter.value or b"") + sum(len(name) + len(value) for name, value in letter.headers)
    assert size < 1 << 20
    assert dict(letter.headers)[ERROR_HEADER + "exception.stacktrace"].endswith(b"the end")


def test_an_error_that_is_not_utf8_can_be_written() -> None:
    """Prevents a file name out of an old file system, quoted in an error, from stopping the service."""
    letter = dead_letter(
        Item(b"x", "docs.raw", 0, 0), Outcome("dead", "parse", error="no \udcff here", stack="\ud800"), "T1"
    )
    assert dict(letter.headers)[ERROR_HEADER + "exception.message"] == b"no \\udcff here"


def test_the_messages_of_a_batch_in_the_order_of_its_documents() -> None:
    """Prevents outcomes from being produced to the topic of another; retractions go with their document."""
    items = [
        Item(b"a", "docs.scored", 0, 5),
        Item(b"b", "docs.scored", 0, 6),
        Item(b"c", "docs.scored", 0, 7),
    ]
    outcomes = [
        Outcome(
            "emit",
            "dedup",
            uid=11,
            topic="docs.routed",
            value=b"A",
            also=[Beside("pool.control", b"R", b"K", 99)],
        ),
        Outcome("dead", "dedup", error="x"),
        Outcome("drop", "dedup", "near_duplicate", 13, "docs.rejected", b"C"),
    ]
    outputs = produced(items, outcomes, "T1", {})
    assert [(o.topic, o.value, o.spread) for o in outputs] == [
        ("docs.routed", b"A", 11),
        ("pool.control", b"R", 99),
        ("docs.scored.dlq", b"b", 6),
        ("docs.rejected", b"C", 13),
    ]
    assert [o.key for o in outputs] == [(11).to_bytes(8, "big"), b"K", None, None], "pools are compacted"
    with pytest.raises(ValueError, match="zip"):
        produced(items, outcomes[:2], "T1", {})


def test_what_goes_to_another_document_reaches_each_lane_where_it_may_lie() -> None:
    """Prevents a retraction that misses its document because the river has got more lanes since."""
    also = [Beside("pool.control", b"R", b"K", 7), Beside("dedup.log", b"L", b"K", 7)]
    outcome = Outcome("emit", "dedup", uid=11, topic="pool.zh", value=b"A", also=also)
    outputs = produced([Item(b"a", "docs.routed", 0, 5)], [outcome], "T1", {"pool.control": [2, 3, 6]})
    assert [(o.topic, o.partition) for o in outputs[1:]] == [
        ("pool.control", 1),  # 7 % 2, 7 % 3 and 7 % 6
        ("dedup.log", None),
    ]


def through(guard: FloodGuard, batch: list[Outcome]) -> None:
    """A batch that is committed."""
    guard.check(batch)
    guard.passed(batch)


def test_a_flood_stops_the_service() -> None:
    """Prevents a bug in a unit from turning the whole corpus into dead letters."""
    guard = FloodGuard(limit=3, window=10)
    through(guard, [EMIT] * 20 + [DEAD] * 3)
    with pytest.raises(DeadLetterFlood, match=r"4 of the last 10 documents failed in rules; the limit is 3"):
        guard.check([DEAD])


def test_a_batch_that_is_aborted_and_comes_again_counts_once() -> None:
    """Prevents a broker that aborts a few commits from making a flood of two bad documents."""
    guard = FloodGuard(limit=3, window=10)
    for _ in range(5):
        guard.check([EMIT, DEAD, DEAD])
    guard.passed([EMIT, DEAD, DEAD])
    guard.check([DEAD])
    with pytest.raises(DeadLetterFlood):
        guard.check([DEAD, DEAD])


def test_single_dead_letters_over_a_long_time_are_data() -> None:
    """Prevents a service from stopping because of a bad document now and then."""
    guard = FloodGuard(limit=3, window=10)
    for _ in range(100):
        through(guard, [EMIT] * 4 + [DEAD])


def test_no_dead_letter_at_all_may_be_asked_for() -> None:
    """Prevents a limit of 0 from meaning none."""
    guard = FloodGuard(limit=0, window=10)
    through(guard, [EMIT] * 5)
    with pytest.raises(DeadLetterFlood, match="ValueError: x"):
        guard.check([EMIT, DEAD, EMIT])


def test_an_empty_document_can_be_a_dead_letter() -> None:
    """Prevents a tombstone in an input topic from having no way out."""
    assert dead_letter(Item(Document().SerializeToString(), "docs.raw", 0, 0), DEAD, "T1").value == b""
