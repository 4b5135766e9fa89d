"""The order of samples, as arithmetic."""

from __future__ import annotations

import pytest

from trainer.data.catalog import Entry
from trainer.data.order import Order, Start


def entry(number: int, phase: str = "stable") -> Entry:
    return Entry(number, f"p{number}", phase, "", 0, {})


def order(phases: str, *, seed: int = 3, parts: int = 2, size: int = 5, start: Start | None = None) -> Order:
    """A letter is a part of that phase."""
    made = Order(lambda _: size, seed=seed, parts=parts, start=start)
    first = start.number if start else 0
    made.add([entry(number, phase) for number, phase in enumerate(phases) if number >= first])
    made.reach(1000)
    return made


def places(made: Order, *indices: int) -> list[tuple[int, int]]:
    return [(sample.part.number, sample.sequence) for sample in made.samples(indices)]


def test_the_order_is_this_one_for_ever() -> None:
    """Prevents an order that a release of numpy or another machine changes: no run could then resume."""
    assert places(order("ss"), *range(10)) == [
        (1, 0),
        (1, 4),
        (0, 4),
        (1, 3),
        (1, 1),
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
    ]


def test_each_sample_has_one_index() -> None:
    made = order("ssss")
    assert sorted(places(made, *range(20))) == [(part, at) for part in range(4) for at in range(5)]
    assert {part for part, _ in places(made, *range(10))} == {0, 1}
    assert places(made, *range(20)) != places(order("ssss", seed=4), *range(20))


def test_a_block_is_not_left_open_for_what_may_come() -> None:
    """Prevents samples that have another index when parts come faster."""
    assert order("s").end == 0
    assert order("ss").end == order("sss").end == 10
    assert order("sssa").end == 15, "what has another phase closes it"
    for length in range(2, 8):
        short, whole = order("sssaass"[:length]), order("sssaass")
        assert places(short, *range(short.end)) == places(whole, *range(short.end))


def test_no_more_parts_are_counted_than_are_needed() -> None:
    """Prevents a restart on S3 that reads the index of each part that is in the catalog."""
    counted = []
    made = Order(lambda one: counted.append(one.number) or 5, seed=1, parts=2)
    made.add([entry(number) for number in range(100)])
    assert made.reach(15)
    assert counted == [0, 1, 2, 3]


def test_a_phase_ends_before_the_next_begins() -> None:
    made = order("sssaabs", parts=4)
    phases = [sample.part.phase for sample in made.samples(range(made.end))]
    assert phases == ["s"] * 15 + ["a"] * 10 + ["b"] * 5


def test_from_a_block_on_it_is_the_same() -> None:
    whole = order("sssaass")
    for index in range(whole.end):
        start = whole.block(index).start
        later = order("sssaass", start=start)
        assert places(later, *range(index, whole.end)) == places(whole, *range(index, whole.end))
        assert later.block(index).start == start


@pytest.mark.parametrize("index", [-1, 10])
def test_a_sample_that_is_not_there_is_no_other(index) -> None:
    with pytest.raises(IndexError):
        order("ss").samples([index])


def test_an_empty_part_is_passed_over() -> None:
    sizes = {0: 0, 1: 3, 2: 0}
    made = Order(lambda one: sizes[one.number], seed=1, parts=1)
    made.add([entry(number) for number in range(3)])
    assert made.reach(3)
    assert not made.reach(4)
    assert sorted(places(made, 0, 1, 2)) == [(1, 0), (1, 1), (1, 2)]
    assert made.end == 3
