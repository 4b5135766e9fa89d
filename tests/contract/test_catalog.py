"""The catalog's objects over a folder, obstore's memory and a real S3 server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.catalog.entry import Entry, entry_of, from_line, to_line
from services.catalog.reader import Reader
from services.catalog.segments import BLOCK, Segments, block_key, segment_key
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore
from tests.contract.test_store import store  # noqa: F401 - the fixture
from tests.unit.catalog.river import part


def entries(first: int, number: int) -> list[Entry]:
    return [entry_of(n, part(0, n)) for n in range(first, first + number)]


def write(store: ObjectStore, *sizes: int) -> int:  # noqa: F811
    """Segments of these sizes from 0 on; the number after the last."""
    first = 0
    for size in sizes:
        assert Segments(store).create(entries(first, size)) == entries(first, size)
        first += size
    return first


def test_a_line_has_exactly_the_promised_keys() -> None:
    one = entry_of(7, part(2, 5))
    assert json.loads(to_line(one)) == {
        "sequence": 7,
        "name": "lane-002/part-002-0a1b2c3d-000000000050-000000000059",
        "lane": 2,
        "phase": "stable",
        "recipe": "9f86d081884c7d65",
        "tokens": 1005,
        "sha256": dict(part(2, 5).sha256),
    }
    assert list(json.loads(to_line(one))) == [
        "sequence", "name", "lane", "phase", "recipe", "tokens", "sha256"
    ]  # fmt: skip
    assert from_line(to_line(one)) == one


@pytest.mark.parametrize("change", [{"sequence": "7"}, {"more": 1}, {"name": "../x"}, {"tokens": None}])
def test_a_line_that_is_another_is_refused(change: dict[str, object]) -> None:
    plain = json.loads(to_line(entry_of(7, part(2, 5)))) | change
    with pytest.raises(ValueError, match="not"):
        from_line(json.dumps(plain).encode())


def test_who_follows_gets_each_entry_once(store: ObjectStore) -> None:  # noqa: F811
    reader = Reader(store)
    assert list(reader.read()) == []
    write(store, 1, 3)
    assert list(reader.read()) == entries(0, 4)
    assert list(reader.read()) == []
    Segments(store).create(entries(4, 2))
    assert list(reader.read()) == entries(4, 2)
    assert reader.next == 6


@pytest.mark.parametrize("first", [0, 1, 3, 4, 6, 9])
def test_who_begins_anywhere_gets_the_rest(store: ObjectStore, first: int) -> None:  # noqa: F811
    end = write(store, 1, 3, 2)
    assert list(Reader(store, first).read()) == entries(first, max(end - first, 0))


def test_a_reader_that_stops_in_a_segment_goes_on_there(store: ObjectStore) -> None:  # noqa: F811
    write(store, 5, 2)
    reader = Reader(store)
    for entry in reader.read():
        if entry.sequence == 2:
            break
    assert list(reader.read()) == entries(3, 4)


def test_a_segment_that_stands_is_not_written_again(store: ObjectStore) -> None:  # noqa: F811
    write(store, 2)
    other = [entry_of(0, part(1, 0))]
    assert Segments(store).create(other) == entries(0, 2)
    assert list(Reader(store).read()) == entries(0, 2)


def test_blocks_change_nothing_of_what_is_read(store: ObjectStore) -> None:  # noqa: F811
    sizes = [1, 2, BLOCK - 3, 4]
    end = write(store, *sizes)
    before = list(Reader(store).read())
    Segments(store).roll(BLOCK)
    assert len(store.get(block_key(0)).splitlines()) == BLOCK
    for first in (0, 1, 2, BLOCK - 1, BLOCK, end):
        assert list(Reader(store, first).read()) == before[first:]
    store.delete([segment_key(1)])  # the block is what is read
    assert list(Reader(store).read()) == before


def test_a_damaged_segment_is_told(store: ObjectStore) -> None:  # noqa: F811
    write(store, 2)
    for bad in (b"", b"{}\n", to_line(entry_of(3, part(0, 3))), b"\xff"):
        store.put(segment_key(2), bad)
        with pytest.raises(CorpusworksError, match=r"000000000002\.jsonl is damaged"):
            list(Reader(store).read())
        with pytest.raises(ConfigurationError, match="put a copy of it back"):
            Segments(store).create(entries(2, 1))


def test_numbers_begin_at_0(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="begin at 0"):
        Reader(ObjectStore(tmp_path.as_uri()), -1)
