"""What `parts adopt` announces: numbers stay, and come once."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from contracts import PartSealed
from services.catalog import segments
from services.catalog.adopt import numbers, restore, unannounced
from services.catalog.check import problems_of
from services.catalog.entry import entry_of
from services.catalog.reader import Reader
from services.runtime import ConfigurationError
from tests.unit.catalog.river import CATALOG, LANES, River, part
from tests.unit.catalog.test_task import assert_once

PARTS = [part(lane, number) for number in range(3) for lane in range(LANES)]


@pytest.fixture
def grown(river: River) -> River:
    loop = None
    for number in range(3):
        river.seal(*PARTS[number * LANES : (number + 1) * LANES])
        loop = river.run(loop)
    assert loop is not None
    river.stop(loop)
    return river


def adopt(river: River, missing: Collection[PartSealed]) -> None:
    """As the command does, without a broker."""
    told = river.catalogued()
    last = told[-1] if told else None
    found = numbers(river.store)
    names = {said.name for said in found}
    for one in missing:
        one.numbered = one.name in names
    river.announce(unannounced(found, last))
    if missing:
        river.seal(*missing)


def test_what_is_announced_anew_is_what_was_announced(grown: River) -> None:
    assert numbers(grown.store) == grown.catalogued()
    assert unannounced(numbers(grown.store), grown.catalogued()[-1]) == []


def test_a_new_river_takes_the_numbers_over_and_goes_on(grown: River) -> None:
    """Kafka is gone; two parts had been sealed and not numbered."""
    told = grown.entries()
    second = River(grown.settings, grown.store)
    unnumbered = [part(0, 3), part(2, 3)]
    adopt(second, [*map(copy, PARTS), *unnumbered])
    loop = second.run()
    second.seal(part(0, 0, "ffffffff"))  # of the new docs.mixed, at the offsets of an old one
    second.run(loop)
    assert second.entries()[: len(told)] == told
    assert sorted(e.name for e in second.entries()) == sorted(
        one.name for one in [*PARTS, *unnumbered, part(0, 0, "ffffffff")]
    )
    assert [e.sequence for e in second.entries()] == list(range(12))
    assert list(Reader(grown.store).read()) == second.entries()


def test_a_topic_made_anew_gets_its_numbers_back(grown: River) -> None:
    told = grown.catalogued()
    grown.broker.create_topic(CATALOG)
    adopt(grown, [])
    assert grown.catalogued() == told
    grown.seal(part(1, 3))
    grown.run()
    assert_once(grown.entries(), [*PARTS, part(1, 3)])


def test_parts_that_are_announced_anew_in_the_same_river_get_no_second_number(grown: River) -> None:
    adopt(grown, [*map(copy, PARTS)])
    grown.run()
    assert_once(grown.entries(), PARTS)


def test_numbers_of_two_rivers_are_not_joined(grown: River) -> None:
    other = numbers(grown.store)[-1]
    other.name = part(0, 9, "ffffffff").name
    for last in (other, type(other)(sequence=99, name=other.name)):
        with pytest.raises(ConfigurationError, match="two rivers cannot be joined"):
            unannounced(numbers(grown.store), last)


def test_segments_that_were_lost_are_written_as_they_were(
    grown: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a catalog that someone removed, and `put a copy of it back` to who has none."""
    monkeypatch.setattr(segments, "BLOCK", 6)
    files = {key: grown.store.get(key) for key in grown.store.list(segments.FOLDER)}
    assert len(files) > 2
    for lost in ([max(files)], list(files)[:1], list(files)):
        grown.store.delete(lost)
        assert restore(grown.store, grown.catalogued(), PARTS) == len(lost)
        assert restore(grown.store, grown.catalogued(), PARTS) == 0
    for damaged in (min(files), segments.block_key(0)):
        grown.store.put(damaged, b"nonsense\n")
    assert "parts adopt" in problems_of(grown.store, PARTS)[0]
    assert restore(grown.store, grown.catalogued(), PARTS) == 1
    assert {key: grown.store.get(key) for key in files} == files
    assert list(Reader(grown.store).read()) == grown.entries()


def test_nothing_is_written_into_another_rivers_store(grown: River) -> None:
    """Prevents: numbers of parts that are not there, and those of two rivers in one row."""
    said, theirs = grown.catalogued(), [part(one.lane, 0, "ffffffff") for one in PARTS]
    grown.store.delete(list(grown.store.list(segments.FOLDER)))
    assert restore(grown.store, said, theirs) == restore(grown.store, said, PARTS[:-1]) == 0
    segments.Segments(grown.store).create([entry_of(0, theirs[0])])
    assert restore(grown.store, said, PARTS) == 0
    assert len(list(grown.store.list(segments.FOLDER))) == 1


def copy(one: PartSealed) -> PartSealed:
    made = PartSealed()
    made.CopyFrom(one)
    return made
