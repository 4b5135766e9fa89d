"""Numbers come once and without gap, whatever is killed and whoever else writes."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from kafka.errors import KafkaTimeoutError

from contracts import PartSealed
from services.catalog.entry import Entry
from services.catalog.reader import Reader
from services.catalog.segments import BLOCK, segment_key
from services.catalog.task import Catalog
from services.runtime import ConfigurationError, DependencyDown, ObjectStore, place
from services.runtime.loops.transaction import Aborted
from tests.unit.catalog.river import CATALOG, LANES, SEALED, CountingStore, River, message, part

DRAINED = {place(SEALED, lane) for lane in range(LANES)}


def assert_once(entries: list[Entry], parts: list[PartSealed]) -> None:
    """Each part has one number, there is no gap, and lanes keep their order."""
    assert [entry.sequence for entry in entries] == list(range(len(parts)))
    assert sorted(entry.name for entry in entries) == sorted(one.name for one in parts)
    by_lane: dict[int, list[str]] = defaultdict(list)
    for entry in entries:
        by_lane[entry.lane].append(entry.name)
    assert all(names == sorted(names) for names in by_lane.values())


def test_parts_of_all_lanes_get_one_order(river: River) -> None:
    parts = [part(lane, number) for number in range(4) for lane in range(LANES)]
    river.seal(*parts[:5])
    loop = river.run()
    river.seal(*parts[5:])
    river.run(loop)
    assert_once(river.entries(), parts)
    assert list(Reader(river.store).read()) == river.entries()
    said = river.catalogued()[-1]
    assert said.reached == {f"lane-{lane:03d}/part-{lane:03d}-0a1b2c3d": 39 for lane in range(LANES)}
    committed = river.broker.group("catalog").committed
    ends = {tp: river.broker.log_of(tp).end for tp in committed}
    assert dict(committed) == ends, "an idle catalog has no lag"


def test_a_restart_goes_on_after_the_last_number(river: River) -> None:
    river.seal(part(0, 0), part(1, 0))
    river.stop(river.run())
    river.seal(part(2, 0), part(0, 1))
    river.run()
    assert_once(river.entries(), [part(0, 0), part(1, 0), part(2, 0), part(0, 1)])


@pytest.mark.parametrize("seed", range(12))
def test_numbers_come_once_through_kills_at_any_moment(
    river: River, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between segment and transaction, within the transaction, after it; by turns on two instances."""
    chance, parts = random.Random(seed), []
    real, kills = CountingStore.create, 0

    def dying(store: CountingStore, key: str, value: bytes) -> bool:
        moment = chance.random()
        if moment < 0.1:
            raise DependencyDown("store", "it falls before the segment")
        done = real(store, key, value)
        if moment < 0.25:
            raise DependencyDown("store", "the answer is lost")
        return done

    monkeypatch.setattr(CountingStore, "create", dying)
    loop = river.loop()
    for number in range(60):
        river.broker.fail_next_commit = None
        fresh = [part(lane, number) for lane in range(LANES) if chance.random() < 0.6]
        parts += fresh
        if fresh:
            river.seal(*fresh)
        river.broker.fail_next_commit = KafkaTimeoutError("slow") if chance.random() < 0.2 else None
        try:
            for _ in range(chance.randint(1, 3)):
                loop._once()
        except (Aborted, DependencyDown):
            kills += 1
            river.stop(loop)
            loop = river.loop(str(kills % 2))
    monkeypatch.undo()
    river.broker.fail_next_commit = None
    river.stop(loop)
    river.run(rounds=10)
    assert kills > 5
    assert_once(river.entries(), parts)
    assert list(Reader(river.store).read()) == river.entries()


@pytest.mark.parametrize("first", ["zombie", "owner"])
def test_two_that_write_at_once_agree(first: str) -> None:
    """A catalog that was fenced while it slept wakes up before its transaction: a number has one meaning."""
    store = ObjectStore("memory:///")
    tasks = {"zombie": Catalog(store), "owner": Catalog(store)}
    parts = {"zombie": [part(0, 0), part(1, 0)], "owner": [part(2, 0), part(1, 0), part(0, 0), part(0, 1)]}
    for name, task in tasks.items():
        task.restore([])
        offsets: dict[int, int] = defaultdict(int)
        for one in parts[name]:
            task.feed([message(one, offsets[one.lane])])
            offsets[one.lane] += 1
    second = "owner" if first == "zombie" else "zombie"
    step = tasks[first].step(0, DRAINED)
    assert step is not None
    if second == "zombie":  # it has not read part(2, 0) yet
        assert tasks[second].step(0, ()) is None
        tasks[second].feed([message(part(2, 0), 0), message(part(0, 1), 1)])
    other = tasks[second].step(0, DRAINED)
    assert other is not None
    assert [o.value for o in other.outputs] == [o.value for o in step.outputs]
    assert other.consumed == step.consumed
    rest = tasks["owner"].step(0, DRAINED)
    told = [o.value.name for s in (step, rest) if s is not None for o in s.outputs]  # type: ignore[attr-defined]
    assert sorted(told) == sorted(one.name for one in parts["owner"])


def test_a_segment_that_was_left_behind_is_announced_as_it_is(river: River) -> None:
    """The crash between the segment and the transaction: what a reader may have seen stays so."""
    river.seal(part(1, 0), part(0, 0))
    task = Catalog(river.store)
    task.restore([])
    task.feed([message(part(1, 0), 0)])
    assert task.step(0, ()) is not None  # and dies before its transaction
    seen, stands = list(Reader(river.store).read()), river.store.get(segment_key(0))
    assert [entry.name for entry in seen] == [part(1, 0).name]
    river.run()
    assert river.entries()[:1] == seen
    assert_once(river.entries(), [part(1, 0), part(0, 0)])
    assert river.store.get(segment_key(0)) == stands


def test_parts_that_are_read_again_keep_their_numbers(river: River) -> None:
    """`offsets mend` goes back to the beginning where an offset was lost."""
    parts = [part(lane, number) for number in range(3) for lane in range(LANES)]
    river.seal(*parts)
    river.stop(river.run())
    for tp in river.broker.group("catalog").committed:
        river.broker.group("catalog").committed[tp] = 0
    river.seal(part(0, 3))
    river.run()
    assert_once(river.entries(), [*parts, part(0, 3)])


def test_what_is_announced_twice_gets_one_number(river: River) -> None:
    river.seal(part(0, 0), part(0, 0), part(0, 1), PartSealed())
    river.run()
    assert_once(river.entries(), [part(0, 0), part(0, 1)])


def test_what_is_no_message_becomes_a_dead_letter_and_stops_nothing(river: River) -> None:
    river.send(SEALED, [(b"\xff\xff", 1)])
    river.seal(part(1, 0))
    river.run()
    assert_once(river.entries(), [part(1, 0)])
    with river.broker.log() as log:
        assert len(list(log.read_all(f"{SEALED}.dlq"))) == 1


class TestLosses:
    """A store and a log that do not belong together: refused, and nothing is changed."""

    @pytest.fixture
    def grown(self, river: River) -> River:
        loop = None
        for number in range(3):
            river.seal(*(part(lane, number) for lane in range(LANES)))
            loop = river.run(loop)
        assert loop is not None
        river.stop(loop)
        river.store.requests.clear()  # type: ignore[attr-defined]
        return river

    def refused(self, river: River) -> str:
        before = {key: river.store.get(key) for key in river.store.list("catalog")}
        with pytest.raises(ConfigurationError) as caught:
            river.run()
        assert {key: river.store.get(key) for key in river.store.list("catalog")} == before
        return str(caught.value)

    def test_a_topic_made_anew(self, grown: River) -> None:
        grown.broker.create_topic(CATALOG)
        said = self.refused(grown)
        for told in ("shards.catalog does not announce", "parts adopt", "--out", "--fresh"):
            assert told in said

    def test_a_topic_that_lost_its_only_segment(self, river: River) -> None:
        """It looks as after a crash, and is mended as one: what the segment holds is read again."""
        river.seal(part(0, 0), part(1, 0))
        river.stop(river.run())
        told = river.entries()
        river.broker.create_topic(CATALOG)
        river.run()
        assert river.entries() == told

    def test_a_topic_and_segments_that_are_gone_together(self, grown: River) -> None:
        """Prevents parts without numbers for ever, behind offsets that say that all was done."""
        grown.store.delete(list(grown.store.list("catalog")))
        grown.broker.create_topic(CATALOG)
        grown.seal(part(0, 3))
        grown.run()
        assert_once(
            grown.entries(), [part(lane, n) for lane in range(LANES) for n in range(3)] + [part(0, 3)]
        )

    def test_a_topic_that_was_cut(self, grown: River) -> None:
        log = grown.broker.topics[CATALOG].partitions[0]
        del log.entries[len(log.entries) // 3 + 1 :]
        assert "parts adopt" in self.refused(grown)

    def test_another_rivers_store(self, grown: River, tmp_path) -> None:  # type: ignore[no-untyped-def]
        """It has numbers, too, and as many."""
        other = River(grown.settings, CountingStore((tmp_path / "other").as_uri()))
        for number in range(3):
            other.seal(*(part(lane, number, "ffffffff") for lane in range(LANES)))
            other.stop(other.run())
        other.store = grown.store
        assert "another river" in self.refused(other)

    def test_a_new_river_on_an_old_store(self, grown: River) -> None:
        other = River(grown.settings, grown.store)
        other.seal(part(0, 0, "ffffffff"))
        assert "another river" in self.refused(other)

    def test_a_store_that_was_emptied(self, grown: River) -> None:
        grown.store.delete(list(grown.store.list("catalog")))
        assert "is another store, or has been emptied" in self.refused(grown)

    def test_a_damaged_segment(self, grown: River) -> None:
        grown.store.put(segment_key(grown.catalogued()[-1].segment), b"{broken\n")
        assert "is damaged" in self.refused(grown)

    def test_a_segment_that_numbers_other_parts(self, river: River) -> None:
        """Prevents a part from being passed over because its lane goes on behind it."""
        task = Catalog(river.store)
        task.restore([])
        task.feed([message(part(0, 1), 1)])
        task.step(0, ())
        river.seal(part(0, 0), part(0, 1))
        assert "and none to it" in self.refused(river)

    def test_a_segment_with_another_part_of_that_name(self, river: River) -> None:
        task = Catalog(river.store)
        task.restore([])
        task.feed([message(part(0, 0, phase="anneal"), 0)])
        task.step(0, ())
        river.seal(part(0, 0))
        assert "to another lane-000/" in self.refused(river)


def test_it_costs_the_same_at_20000_parts(river: River, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: requests to the store and messages read, for a start and for one more part each time."""
    read: list[str] = []
    real = type(river.broker.consumer("none")).poll

    def counting(consumer, *given, **options):  # type: ignore[no-untyped-def]
        found = real(consumer, *given, **options)
        read.extend(record.topic for records in found.values() for record in records)
        return found

    def one_more(number: int) -> tuple[list[str], list[str], list[str]]:
        """What a start asks for, what one more part does, and the topics of all messages read."""
        requests = river.store.requests  # type: ignore[attr-defined]
        with monkeypatch.context() as patch:
            patch.setattr("services.runtime.journal.reader.Reader.poll", counting)
            requests.clear()
            read.clear()
            loop = river.run(rounds=2)
            start = [request.split()[0] for request in requests]
            requests.clear()
            river.seal(part(0, number))
            river.run(loop, 3)
            river.stop(loop)
        return start, [request.split()[0] for request in requests], sorted(read)

    river.seal(part(0, 0))
    river.stop(river.run())
    start, more, messages = one_more(1)
    number = 2
    while number < 20_000:
        river.seal(*(part(0, n) for n in range(number, number + 1000)))
        number += 1000
        river.stop(river.run(rounds=8))
    assert len(river.catalogued()) == number
    late_start, late_more, late_messages = one_more(number)
    assert late_more == more == ["create"]
    assert [t for t in late_messages if t != CATALOG] == [t for t in messages if t != CATALOG]
    assert 1 <= messages.count(CATALOG) <= late_messages.count(CATALOG) <= 4, "the end is looked at, no more"
    assert sorted(late_start) == sorted([*start, "get"]), "and the last block is looked for"
    assert len(start) <= 3
    read_back = list(Reader(river.store).read())
    assert [entry.sequence for entry in read_back] == list(range(number + 1))
    asked = [r for r in river.store.requests if r.startswith("get")]  # type: ignore[attr-defined]
    assert len(asked) <= number / BLOCK + BLOCK + 2
