"""`parts verify` finds every way in which the catalog and the parts can disagree."""

from __future__ import annotations

import pytest

from contracts import PartSealed
from services.catalog.check import problems_of
from services.catalog.entry import entry_of
from services.catalog.segments import Segments, segment_key
from services.runtime import ObjectStore
from tests.unit.catalog.river import part

PARTS = [part(0, 0), part(1, 0), part(0, 1)]


def written(*parts: PartSealed, first: int = 0) -> ObjectStore:
    """A segment a part."""
    store = ObjectStore("memory:///")
    for number, one in enumerate(parts, first):
        Segments(store).create([entry_of(number, one)])
    return store


def test_all_is_well() -> None:
    assert problems_of(written(*PARTS), PARTS) == []
    assert problems_of(written(), []) == []


def test_the_last_parts_of_a_lane_may_wait_for_their_numbers() -> None:
    assert problems_of(written(*PARTS), [*PARTS, part(0, 2), part(2, 0), part(0, 0, "ffffffff")]) == []


@pytest.mark.parametrize(
    ("catalogued", "sealed", "says"),
    [
        ([part(0, 1)], PARTS, f"{part(0, 0).name}: it has no number, and parts behind it have"),
        ([*PARTS, part(0, 0)], PARTS, f"{part(0, 0).name}: it has the numbers 0 and 3"),
        ([*PARTS, part(2, 0)], PARTS, f"{part(2, 0).name}: it has the number 3, and no manifest names it"),
        ([part(0, 0, sha256={"bin": "00"})], [part(0, 0)], "the catalog describes another part"),
        ([part(0, 0, recipe="other")], [part(0, 0)], "the catalog describes another part"),
    ],
)
def test_each_difference_is_named(catalogued: list[PartSealed], sealed: list[PartSealed], says: str) -> None:
    found = problems_of(written(*catalogued), sealed)
    assert any(says in problem for problem in found), found


def test_a_gap_is_named() -> None:
    store = written(*PARTS)
    store.delete([segment_key(1)])
    (said,) = [one for one in problems_of(store, PARTS) if one.startswith(segment_key(2))]
    assert "the numbers before it end at 1" in said


def test_a_damaged_segment_is_named() -> None:
    store = written(*PARTS)
    store.put(segment_key(1), b"nonsense\n")
    assert [segment_key(1) in problem for problem in problems_of(store, PARTS)] == [True]
