"""A log that was lost, cut or is another river's: nothing is deleted, and the ways out work."""

from __future__ import annotations

import json

import pytest

from contracts import Document, Flush
from services.runtime import ConfigurationError, CorpusworksError, ObjectStore, topics
from services.sink import SERVICE, SinkConfig, parts
from services.sink.adopt import parts_of, whole
from services.sink.owner import Owner
from services.sink.task import Sink
from tests.unit.mixer.lane import Lane
from tests.unit.sink.test_sink import SMALL, document, files, fill, known, sealed

IDS = {topics.SEALED: "the-first", topics.MIXED: "mixed-of-the-first"}
OTHERS = {topics.SEALED: "the-second", topics.MIXED: "mixed-of-the-second"}


@pytest.fixture
def store(tmp_path):
    return known(ObjectStore(f"file://{tmp_path}/store"))


def lane(store, ids=IDS, **config):
    made = SinkConfig(**{**SMALL, **config})
    return Lane(lambda: Sink(made, store, 0, ids), ["docs.mixed"], SERVICE.logs)


@pytest.fixture
def river(store):
    """One that has sealed some parts."""
    river = lane(store)
    fill(river, 60)
    river.put("docs.mixed", Flush())
    river.run()
    assert len(sealed(river)) > 3
    return river


def start(river):
    """As after a kill; what it says when it refuses."""
    with pytest.raises(ConfigurationError) as refused:
        river.start()
    return str(refused.value)


def adopt(store, river, ids):
    """What `parts adopt` does, without a broker."""
    missing = whole(store, [p for p in parts_of(store, 1) if p.name not in {s.name for s in sealed(river)}])
    river.put("shards.sealed", *missing)
    Owner(store, ids[topics.SEALED]).take_over()
    return missing


def test_an_empty_log_is_refused_and_adopted(store, river):
    """Prevents what was worst: a lost log that costs every part."""
    before, told = files(store), sealed(river)
    river.topics["shards.sealed"].clear()
    said = start(river)
    assert files(store) == before
    for part in (f"names {len(told)} parts", "announces 0", "--out", "--fresh", "corpusworks parts adopt"):
        assert part in said
    assert adopt(store, river, IDS) == told
    river.start()
    assert files(store) == before
    fill(river, 9, start=500)
    river.put("docs.mixed", Flush())
    river.run()
    assert parts.verify(store) == []
    assert len({d.record.uid for d in parts.documents(store)}) == 69


@pytest.mark.parametrize("cut", [slice(0, 1), slice(2, 4), slice(-1, None)])
def test_a_cut_log_is_refused_and_adopted(store, river, cut):
    """The beginning, the middle or the end is gone; the manifest is in the order of the lane again."""
    before, told = files(store), sealed(river)
    del river.topics["shards.sealed"][cut]
    said = start(river)
    assert f"announces {len(sealed(river))}" in said
    assert files(store) == before
    adopt(store, river, IDS)
    river.start()
    assert files(store) == before
    assert parts.list_parts(store) == told


def test_another_river_touches_nothing_even_before_the_first_part(store):
    """Prevents two rivers in one bucket, which would each write the other's manifest."""
    lane(store)
    before = files(store)
    with pytest.raises(ConfigurationError, match=r"another river: .* the-first, .* the-second"):
        lane(store, OTHERS)
    assert files(store) == before
    lane(store).start()


def test_a_new_river_adopts_the_parts_of_a_lost_one(store, river):
    """Kafka is gone, offsets begin at 0 again: no name collides, and no document goes into a second part."""
    before, told = files(store), sealed(river)
    with pytest.raises(ConfigurationError, match="parts adopt"):
        lane(store, OTHERS)
    assert files(store) == before
    second = lane(ObjectStore("memory:///"), OTHERS)
    assert len(adopt(store, second, OTHERS)) == len(told)
    second._build = lambda: Sink(SinkConfig(**SMALL), store, 0, OTHERS)
    second.start()
    fill(second, 60)  # the same corpus is read again
    fill(second, 5, start=900)
    second.put("docs.mixed", Flush())
    second.run(kill_share=0.2)
    assert {(d.uid, why) for d, why, _ in second.dropped} == {(u, "already_in_part") for u in range(1, 61)}
    assert parts.verify(store) == []
    uids = [d.record.uid for d in parts.documents(store)]
    assert sorted(uids) == [*range(1, 61), *range(900, 905)]
    for part in told:
        for suffix in ("bin", "idx", "jsonl"):
            key = f"parts/{part.name}.{suffix}"
            assert files(store)[key] == before[key]
    assert "another river" in start(river), "the first one has lost its store"


def test_a_store_that_lost_its_parts_is_not_built_on(store, river):
    """Prevents a manifest of parts that are not there, after CORPUSWORKS_STORE_URL was changed."""
    store.delete(list(store.list("parts")))
    assert "has none of them" in start(river)
    assert files(store) == {}


@pytest.mark.parametrize("left", [0, 2])
@pytest.mark.parametrize("damage", ["cut", "broken", "missing"])
def test_a_log_and_a_manifest_that_are_lost_lead_to_no_deletion(store, river, damage, left):
    """What was announced lies before the committed offset, whatever else has forgotten it."""
    before = files(store)
    key = "parts/lane-000/manifest.jsonl"
    lines = b"".join(before[key].splitlines(keepends=True)[:left])
    del river.topics["shards.sealed"][left:]
    if damage == "missing":
        store.delete([key])
    else:
        store.put(key, lines + b"{broken\n" if damage == "broken" else lines)
    river.start()
    fill(river, 9, start=500)
    with pytest.raises(ConfigurationError, match=r"neither shards.sealed nor .* Nothing was removed"):
        river.run()
    assert set(before) - {key} <= set(files(store))
    store.put(key, before[key])  # a copy, as the message says
    assert len(adopt(store, river, IDS)) == len(before[key].splitlines()) - left
    river.start()
    river.put("docs.mixed", Flush())
    river.run()
    assert parts.verify(store) == []
    assert len({d.record.uid for d in parts.documents(store)}) == 69


def test_a_damaged_manifest_beside_an_orphan_is_mended(store, river):
    """The log is whole: nothing is lost, and the sink goes on by itself."""
    fill(river, 3, start=500)
    river.feed()
    river.task.step(river.now + 100, {"docs.mixed"})  # and dies before its transaction
    told = sealed(river)
    store.put("parts/lane-000/manifest.jsonl", b"{broken\n")
    river.start()
    river.put("docs.mixed", Flush())
    river.run()
    assert parts.list_parts(store) == sealed(river)
    assert len(sealed(river)) == len(told) + 1
    assert parts.verify(store) == []


def test_a_damaged_owner_is_refused_and_mended_by_adoption(store, river):
    store.put("parts/river.json", b"{")
    assert "parts adopt" in start(river)
    assert adopt(store, river, IDS) == []
    river.start()
    assert json.loads(store.get("parts/river.json")) == {topics.SEALED: "the-first"}


def test_a_part_that_is_there_with_other_bytes_is_never_overwritten(store, river):
    name = sealed(river)[0].name
    before = files(store)
    sink = river.task
    sink._manifest.put(name, {"bin": before[f"parts/{name}.bin"]})
    with pytest.raises(ConfigurationError, match=r"is in file:.* already, and is another part"):
        sink._manifest.put(name, {"bin": b"other"})
    assert files(store) == before


def test_parts_that_are_broken_are_not_adopted(store, river):
    told = sealed(river)
    river.topics["shards.sealed"].clear()
    store.put(f"parts/{told[0].name}.bin", b"rot")
    store.delete([f"parts/{told[1].name}.jsonl"])
    with pytest.raises(CorpusworksError) as refused:
        adopt(store, river, IDS)
    assert f"{told[0].name}.bin is not as it was sealed" in str(refused.value)
    assert f"{told[1].name}.jsonl is not there" in str(refused.value)
    assert sealed(river) == []


def test_parts_of_more_lanes_than_there_are_cannot_be_adopted(store, river):
    Sink(SinkConfig(**SMALL), store, 2, IDS).restore([])
    with pytest.raises(ConfigurationError, match="3 lanes, this one has 2: set CORPUSWORKS_LANES"):
        parts_of(store, 2)


def test_offsets_that_overlap_are_found_within_a_stream_only(store, river):
    second = lane(ObjectStore("memory:///"), OTHERS)
    second._build = lambda: Sink(SinkConfig(**SMALL), store, 0, OTHERS)
    adopt(store, second, OTHERS)
    second.start()
    second.put("docs.mixed", document(1000), Flush())
    second.run()
    assert {p.first_offset for p in parts.list_parts(store)} >= {0}
    assert len([p for p in parts.list_parts(store) if p.first_offset == 0]) == 2
    assert parts.verify(store) == []


def test_where_the_sink_goes_on_is_told_by_parts_of_this_stream_alone(store, river):
    """`offsets mend` would else pass over what a new docs.mixed holds."""
    log = river.topics["shards.sealed"]
    assert SERVICE.reached(log, IDS) == {topics.MIXED: sealed(river)[-1].last_offset + 1}
    assert SERVICE.reached(log, OTHERS) == {}
    assert isinstance(river.topics["docs.mixed"][0].value, Document)
