"""The sink: where parts end, the same bytes however they come about, orphans, manifests, bad documents."""

from __future__ import annotations

import random

import numpy as np
import pytest

from contracts import Document, Flush, PartSealed
from services.runtime import (
    ConfigurationError,
    DependencyDown,
    Message,
    ObjectStore,
    Resources,
    Settings,
    Vocabularies,
    VocabularyCard,
    configure,
)
from services.sink import SERVICE, SinkConfig, parts
from services.sink.task import Sink
from tests.unit.mixer.lane import Lane

CARD = VocabularyCard("ab12", 60_000, 7, "<end>")
SMALL = {"sequence_length": 16, "seal_tokens": 400, "seal_age_s": 60.0}


class FragileStore(ObjectStore):
    """A store that is full after some puts, until it is given room."""

    def __init__(self, url):
        super().__init__(url)
        self.room = 1 << 30

    def put_all(self, objects):
        for key, value in objects.items():
            if not self.room:
                raise DependencyDown(self.url, "no space left on device")
            self.room -= 1
            super().put_all({key: value})


def known(store, digest=CARD.digest, size=CARD.size, end=CARD.end_of_document):
    """What the tokenizer leaves in the store."""
    VocabularyCard(digest, size, end, "<end>").keep(store, b"")
    return store


@pytest.fixture
def store(tmp_path):
    return known(FragileStore(f"file://{tmp_path}/store"))


def lane(store, seed=0, max_chunk=50, **config):
    made = SinkConfig(**{**SMALL, **config})
    return Lane(lambda: Sink(made, store, 0), ["docs.mixed"], SERVICE.logs, seed, max_chunk)


def document(uid, num_tokens=10, **fields):
    tokens = (np.arange(num_tokens, dtype="<u4") * 31 + uid) % 60_000
    fields = {"phase": "stable", "bucket": "zh", "language": "zh", "format": "prose", "use": 1, **fields}
    fields = {"tokenizer": CARD.digest, "token_ids": tokens.tobytes(), **fields}
    return Document(uid=uid, id=f"文/{uid}", source=f"file:///{uid}", num_tokens=num_tokens, **fields)


def fill(river, count, start=1, seed=3, **fields):
    rng = random.Random(seed)
    for uid in range(start, start + count):
        river.put(
            "docs.mixed", document(uid, rng.choice([1, 5, 16, 30, 90]), **fields), hole=rng.random() < 0.2
        )


def files(store):
    return {key: store.get(key) for key in store.list("parts")}


def sealed(river):
    return river.values("shards.sealed")


def test_tokens_come_back_as_they_went_in(store):
    river = lane(store)
    fill(river, 200)
    river.put("docs.mixed", Flush())
    river.run()
    given = {m.value.uid: m for m in river.topics["docs.mixed"] if isinstance(m.value, Document)}
    found = list(parts.documents(store))
    assert [d.record.uid for d in found] == list(given), "in the order of the lane"
    for part, record, tokens in found:
        message = given[record.uid]
        assert tokens.tolist() == np.frombuffer(message.value.token_ids, "<u4").tolist()
        assert record.position.offset == message.offset
        assert part.first_offset <= message.offset <= part.last_offset
        assert (record.id, record.source) == (message.value.id, message.value.source)
        assert not record.HasField("rank")
    assert parts.verify(store) == []
    assert parts.list_parts(store) == sealed(river)
    assert river.committed["docs.mixed"] == river.topics["docs.mixed"][-1].offset + 1


@pytest.mark.parametrize(
    ("packing", "shuffle"),
    [("best_fit", False), ("concat", False), ("best_fit", True), ("concat", True), ("related", False)],
)
@pytest.mark.parametrize("seed", range(5))
def test_parts_are_the_same_bytes_for_any_batches_and_kills(tmp_path, seed, packing, shuffle):
    """A replay that cut elsewhere would put documents into two parts."""
    stores, rivers = [], []
    for number in range(2):
        store = known(ObjectStore(f"file://{tmp_path}/{number}"))
        river = lane(store, seed, 10_000 if number == 0 else 7, packing=packing, shuffle=shuffle)
        fill(river, 150)
        river.put("docs.mixed", document(5000, 0), document(5001, 3, phase="anneal"))
        fill(river, 60, start=1000, phase="anneal")
        river.put("docs.mixed", Flush())
        fill(river, 20, start=2000, phase="anneal")
        river.put("docs.mixed", Flush())
        river.run(kill_share=0.0 if number == 0 else 0.3)
        stores.append(store)
        rivers.append(river)
    assert rivers[1].num_kills > 10
    rivers[1].start()  # a last kill may have left an orphan or a manifest behind
    calm, wild = map(files, stores)
    assert {k: v for k, v in wild.items() if "manifest" not in k} == {
        k: v for k, v in calm.items() if "manifest" not in k
    }
    assert [p.name for p in sealed(rivers[0])] == [p.name for p in sealed(rivers[1])]
    assert {p.sealed_by for p in sealed(rivers[1])} == {"size", "phase", "flush"}
    assert len(sealed(rivers[0])) > 10
    assert [d.uid for d, _, _ in rivers[1].dropped] == [5000]
    assert parts.verify(stores[1]) == []


@pytest.mark.parametrize("packing", ["best_fit", "concat"])
def test_a_shuffled_part_holds_the_same_in_another_order(tmp_path, packing):
    """Its name and documents are those of the part in the lane's order; its sequences lie elsewhere."""
    stores = []
    for shuffle in (False, True):
        store = known(ObjectStore(f"file://{tmp_path}/{shuffle}"))
        river = lane(store, packing=packing, shuffle=shuffle)
        fill(river, 150)
        river.put("docs.mixed", Flush())
        river.run()
        stores.append(store)
    plain, mixed = (parts.list_parts(store) for store in stores)
    assert [part.name for part in plain] == [part.name for part in mixed]
    assert {part.packing for part in mixed} == {f"{packing}, shuffled"}
    assert len(mixed) > 3
    documents = [list(parts.documents(store)) for store in stores]
    for one, other in zip(*documents, strict=True):
        assert one.record.uid == other.record.uid
        assert one.tokens.tolist() == other.tokens.tolist()
    for part in mixed:
        rows = [
            sorted(np.frombuffer(store.get(f"parts/{part.name}.bin"), "<u2").reshape(-1, 16).tolist())
            for store in stores
        ]
        assert rows[0] == rows[1], "the same sequences"
    assert any(a.sha256["bin"] != b.sha256["bin"] for a, b in zip(plain, mixed, strict=True))
    assert parts.verify(stores[1]) == []


def test_shuffle_is_a_setting():
    """Prevents an option that no user can reach."""
    assert configure("sink", SinkConfig, {"shuffle": "true"}).shuffle
    assert not configure("sink", SinkConfig, {}).shuffle
    with pytest.raises(ConfigurationError, match="settings of sink"):
        configure("sink", SinkConfig, {"shuffle": "perhaps"})


def test_a_record_carries_what_the_input_said_of_the_origin(store):
    """Prevents a licence that is known at the start and lost before the part."""
    river = lane(store)
    said = {"url": "https://example.org/tides", "licence": "CC0", "title": "潮水"}
    river.put("docs.mixed", document(1, metadata=said), document(2), Flush())
    river.run()
    [told, silent] = [found.record for found in parts.documents(store)]
    assert (told.url, told.licence, told.title) == ("https://example.org/tides", "CC0", "潮水")
    assert (silent.url, silent.licence, silent.title) == ("", "", "")
    assert parts.verify(store) == []


def test_a_part_can_be_made_again_from_the_log(store):
    """`repack` is what an exactly-once test compares parts with."""
    river = lane(store)
    fill(river, 100)
    river.put("docs.mixed", document(900, 0), Flush())
    river.run()
    for part in sealed(river):
        messages = [
            m for m in river.topics["docs.mixed"] if part.first_offset <= m.offset <= part.last_offset
        ]
        again = parts.repack(messages, 0, SinkConfig(**SMALL), Vocabularies(store))
        assert {f"parts/{part.name}.{s}": data for s, data in again.files.items()}.items() <= files(
            store
        ).items()
        assert again.announcement.sha256 == part.sha256
    flushes = [m for m in messages if isinstance(m.value, Flush)]
    assert parts.repack(flushes, 0, SinkConfig(), Vocabularies(store)) is None


def test_a_size_seal_comes_with_the_document_that_reaches_it(store):
    river = lane(store)
    fill_ten = [document(uid, 100) for uid in range(1, 11)]
    river.put("docs.mixed", *fill_ten)
    river.run()
    assert [(p.num_documents, p.sealed_by) for p in sealed(river)] == [(4, "size"), (4, "size")]
    assert sealed(river)[0].name == "lane-000/part-000-00000000-000000000000-000000000003"
    assert sealed(river)[0].bucket_tokens == {"zh": 400}
    assert river.committed["docs.mixed"] == 8


def test_a_part_is_bounded_in_documents_too(store):
    river = lane(store, seal_documents=5, seal_tokens=10_000)
    river.put("docs.mixed", *(document(uid, 1) for uid in range(1, 13)))
    river.run()
    assert [p.num_documents for p in sealed(river)] == [5, 5]


@pytest.mark.parametrize("max_chunk", [1, 2, 3, 100])
def test_unfit_documents_before_the_first_fit_one_do_not_move_the_cut(store, max_chunk):
    """They leave at whichever step comes first, so counting them would tie the cut to the batches."""
    river = lane(store, max_chunk=max_chunk, seal_documents=5, seal_tokens=10_000)
    river.put("docs.mixed", *(document(uid, 0) for uid in range(1, 4)))
    river.put("docs.mixed", *(document(uid, 1) for uid in range(4, 8)), document(8, 0), document(9, 0))
    river.put("docs.mixed", *(document(uid, 1) for uid in range(10, 15)))
    river.run()
    assert [(p.first_offset, p.last_offset) for p in sealed(river)] == [(3, 6), (9, 13)]
    assert [d.uid for d, _, _ in river.dropped] == [1, 2, 3, 8, 9]


def test_a_slow_stream_is_sealed_by_age(store):
    river = lane(store)
    fill(river, 3)
    river.run()
    river.now += 59
    river.run()
    assert sealed(river) == []
    river.now += 1
    river.run()
    assert [p.sealed_by for p in sealed(river)] == ["age"]
    assert sealed(river)[0].sealed_ms == int(river.now * 1000)
    river.now += 1000
    river.run()
    assert len(sealed(river)) == 1, "nothing waits, nothing is sealed"


def test_age_counts_across_a_restart_once_all_is_read(store):
    """A sink that is killed every minute would otherwise never seal a slow stream."""
    river = lane(store)
    fill(river, 3)
    river.run()
    river.now += 100
    river.start()
    fill(river, 1, start=50)
    river.run()
    assert [(p.sealed_by, p.num_documents) for p in sealed(river)] == [("age", 4)]


@pytest.mark.parametrize("off_s", [-3600, 3600])
def test_the_mixers_clock_may_be_an_hour_off(store, off_s):
    """It would cut a part at every pause, or keep documents for an hour."""
    river = lane(store)
    for number in range(5):
        river.now += off_s
        fill(river, 1, start=10 * number)
        river.now += 10 - off_s
        river.run()
    assert sealed(river) == []
    river.now += 20
    river.run()
    assert [(p.sealed_by, p.num_documents) for p in sealed(river)] == [("age", 5)]


def test_a_backlog_is_not_cut_small_by_age(store):
    """After an outage every document is old; the parts must be whole ones all the same."""
    river = lane(store, max_chunk=3)
    fill(river, 300)
    river.now += 10_000
    river.run()
    assert len(sealed(river)) > 10
    assert {p.sealed_by for p in sealed(river)[:-1]} == {"size"}


def test_age_holds_although_the_stream_never_pauses(store):
    sink = Sink(SinkConfig(**SMALL), store, 0)
    river = lane(store)
    fill(river, 3)
    sink.feed(river.topics["docs.mixed"])
    assert sink.step(0.0, ()) is None
    assert sink.step(59.9, ()) is None
    assert sink.step(60.0, ()) is not None


def test_a_part_has_one_phase(store):
    river = lane(store)
    fill(river, 3)
    fill(river, 3, start=100, phase="anneal")
    river.run()
    assert [(p.phase, p.sealed_by, p.num_documents) for p in sealed(river)] == [("stable", "phase", 3)]


def test_a_part_is_packed_as_its_phase_says(store):
    """Conversations of an anneal phase would be packed as the sink was set for all."""
    river = lane(store)
    fill(river, 3)
    fill(river, 3, start=100, phase="anneal", packing="concat")
    river.put("docs.mixed", Flush())
    river.run()
    assert [(p.phase, p.packing) for p in sealed(river)] == [("stable", "best_fit"), ("anneal", "concat")]
    assert parts.verify(store) == []


@pytest.mark.parametrize("max_chunk", [1, 3, 100])
def test_a_part_has_one_recipe(store, max_chunk):
    """Who asks of which mix a part is needs one answer; documents of before say none."""
    river = lane(store, max_chunk=max_chunk)
    fill(river, 2)
    fill(river, 3, start=100, recipe="aa11")
    fill(river, 3, start=200, recipe="bb22")
    fill(river, 1, start=300, recipe="bb22", phase="anneal")
    river.put("docs.mixed", Flush())
    river.run(kill_share=0.3)
    assert [(p.recipe, p.sealed_by, p.num_documents) for p in sealed(river)] == [
        ("", "recipe", 2),
        ("aa11", "recipe", 3),
        ("bb22", "phase", 3),
        ("bb22", "flush", 1),
    ]
    assert [d.record.recipe for d in parts.documents(store)] == [""] * 2 + ["aa11"] * 3 + ["bb22"] * 4
    assert parts.verify(store) == []


def test_a_flush_with_nothing_waiting_is_consumed_without_a_part(store):
    river = lane(store)
    river.put("docs.mixed", Flush(), Flush())
    river.run()
    assert sealed(river) == []
    assert river.committed["docs.mixed"] == 2
    assert files(store) == {"parts/lane-000/manifest.jsonl": b""}


@pytest.mark.parametrize(
    ("bad", "reason", "told"),
    [
        (document(7, 0), "no_tokens", "no token ids"),
        (
            Document(uid=7, num_tokens=2, token_ids=b"1234567"),
            "bad_tokens",
            "7 bytes of token ids for 2 tokens",
        ),
        (
            Document(uid=7, num_tokens=3, token_ids=bytes(8)),
            "bad_tokens",
            "8 bytes of token ids for 3 tokens",
        ),
        (
            Document(uid=7, num_tokens=1, token_ids=(60_000).to_bytes(4, "little"), tokenizer=CARD.digest),
            "token_out_of_range",
            "token 60000; vocabulary ab12 has 60,000",
        ),
        (document(7, 1, tokenizer=""), "no_vocabulary", "does not say of which vocabulary"),
    ],
)
def test_a_document_that_fits_no_part_leaves_with_a_reason(store, bad, reason, told):
    """Raising would replay it for ever; skipping it would lose it."""
    river = lane(store)
    fill(river, 3)
    river.put("docs.mixed", bad)
    fill(river, 3, start=100)
    river.put("docs.mixed", bad, Flush(), bad)
    river.run(kill_share=0.3)
    assert [(d.uid, r) for d, r, _ in river.dropped] == [(7, reason)] * 3
    assert told in river.dropped[0][2]
    assert reason in SERVICE.drop_reasons
    assert [d.record.uid for d in parts.documents(store)] == [1, 2, 3, 100, 101, 102]
    assert river.committed["docs.mixed"] == river.topics["docs.mixed"][-1].offset + 1


@pytest.mark.parametrize(("size", "width"), [(65_536, 2), (65_537, 4), (2**31, 4)])
def test_tokens_are_as_wide_as_their_vocabulary_asks(store, size, width):
    """Half of the ids of a large vocabulary would otherwise come back as others."""
    known(store, "wide", size, size - 2)
    river = lane(store)
    river.put(
        "docs.mixed", document(1, 1, token_ids=(size - 1).to_bytes(4, "little"), tokenizer="wide"), Flush()
    )
    river.run()
    [found] = parts.documents(store)
    assert found.tokens.tolist() == [size - 1]
    data = store.get(f"parts/{found.part.name}.bin")
    assert len(data) == 16 * width
    assert int.from_bytes(data[width : 2 * width], "little") == size - 2, "padding is the end of document"
    assert parts.verify(store) == []


@pytest.mark.parametrize("max_chunk", [1, 3, 100])
def test_a_part_has_one_vocabulary(store, max_chunk):
    """Ids of one vocabulary under the digest of another are other words to who decodes them."""
    known(store, "cd34", 1 << 17, 3)
    river = lane(store, max_chunk=max_chunk)
    fill(river, 3)
    fill(river, 3, start=100, tokenizer="cd34")
    fill(river, 2, start=200)
    river.put("docs.mixed", document(300, 0, tokenizer="cd34"), Flush())
    river.run(kill_share=0.3)
    assert [(p.tokenizer, p.sealed_by, p.num_documents, p.layout) for p in sealed(river)] == [
        ("ab12", "vocabulary", 3, 4),
        ("cd34", "vocabulary", 3, 4),
        ("ab12", "vocabulary", 2, 4),
    ]
    assert [d.uid for d, _, _ in river.dropped] == [300]
    assert parts.verify(store) == []


def test_a_vocabulary_that_nobody_describes_stops_the_sink_and_loses_nothing(store):
    """Guessing the width of its tokens would write a part that cannot be mended."""
    river = lane(store)
    fill(river, 2)
    fill(river, 2, start=100, tokenizer="ef56")
    river.put("docs.mixed", Flush())
    with pytest.raises(ConfigurationError, match=r"vocabularies/ef56\.json is not in .*Start the tokenizer"):
        river.run()
    known(store, "ef56")
    river.start()
    river.run()
    assert [d.record.uid for d in parts.documents(store)] == [1, 2, 100, 101]


def test_a_tombstone_is_passed_over(store):
    river = lane(store)
    river.put("docs.mixed", Document())
    river.run()
    sink = Sink(SinkConfig(**SMALL), store, 0)
    message = river.topics["docs.mixed"][0]
    sink.feed([type(message)("docs.mixed", 0, 9, None, None, 0)])
    assert sink.step(0.0, ()).consumed == {"docs.mixed": 10}


def test_a_part_that_was_written_but_not_announced_is_taken_by_no_one_and_removed(store):
    """The crash between writing and announcing; a reader of the folder alone would train on it twice."""
    river = lane(store)
    fill(river, 30)
    river.run()
    before, announced = files(store), parts.list_parts(store)
    fill(river, 3, start=500)
    river.feed()
    assert river.task.step(river.now + 100, {"docs.mixed"}) is not None  # and dies before its transaction
    assert len(files(store)) == len(before) + 3
    assert parts.list_parts(store) == announced
    store.put("parts/lane-000/notes.txt", b"not ours")
    other = "parts/lane-001/part-001-00000000-000000000000-000000000003.bin"
    store.put(other, b"of another lane")
    river.start()
    river.feed()
    left = set(files(store)) - set(before)
    assert left == {
        "parts/lane-000/notes.txt",
        "parts/lane-001/part-001-00000000-000000000000-000000000003.bin",
    }
    assert parts.verify(store) == []


def test_a_zombie_changes_no_announced_part(store):
    """A sink that was fenced while it slept writes late, and cut elsewhere than its successor."""
    zombie = lane(store)
    fill(zombie, 3)
    zombie.feed()
    assert zombie.task.step(zombie.now, {"docs.mixed"}) is None
    river = lane(store)
    fill(river, 40)
    river.put("docs.mixed", Flush())
    river.run()
    before = parts.list_parts(store)
    zombie.task.step(zombie.now + 100, {"docs.mixed"})  # its transaction is refused
    assert parts.list_parts(store) == before
    assert parts.verify(store) == []
    river.start()
    assert parts.list_parts(store) == before
    assert parts.verify(store) == []
    assert len(files(store)) == 3 * (len(before) + 1) + 1, "what is no orphan for certain is left"


def test_the_manifest_is_mended_from_the_log(store):
    river = lane(store)
    fill(river, 60)
    river.run()
    good = files(store)
    key = "parts/lane-000/manifest.jsonl"
    lines = good[key].splitlines(keepends=True)
    assert len(lines) > 3
    for damaged in (b"", b"".join(lines[:-1]), b"".join(reversed(lines)), b"{broken\n"):
        store.put(key, damaged)
        river.start()
        assert files(store) == good
    store.delete([key])
    assert parts.list_parts(store) == []
    river.start()
    assert files(store) == good


def test_a_full_store_loses_nothing(tmp_path):
    """The runtime tries the step again; at whichever file the disk was full."""
    for room in (0, 1, 2):
        store = known(FragileStore(f"file://{tmp_path}/{room}"))
        river = lane(store)
        fill(river, 3, start=room * 10 + 1)
        river.put("docs.mixed", Flush())
        river.feed()
        store.room = room
        with pytest.raises(DependencyDown, match="no space left"):
            river.step()
        with pytest.raises(DependencyDown):
            river.step()
        assert river.committed["docs.mixed"] == 0
        store.room = 1 << 30
        river.run()
        assert [d.record.uid % 10 for d in parts.documents(store)] == [1, 2, 3]


def test_a_manifest_that_could_not_be_written_is_written_with_the_next_part(store):
    river = lane(store)
    fill(river, 3)
    river.put("docs.mixed", Flush())
    river.feed()
    store.room = 3
    with pytest.raises(DependencyDown):
        river.step()  # in `committed`: the part is announced
    assert len(sealed(river)) == 1
    assert parts.list_parts(store) == []
    store.room = 1 << 30
    fill(river, 3, start=100)
    river.put("docs.mixed", Flush())
    river.run()
    assert parts.list_parts(store) == sealed(river)
    assert len(sealed(river)) == 2


def test_no_more_is_wanted_while_a_part_is_ready(store):
    """A store that is away must stop the reading, not fill the memory."""
    river = lane(store)
    fill(river, 100)
    river.feed()
    assert river.task.wants() == ()
    river.run()
    assert set(river.task.wants()) == {"docs.mixed"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sequence_length": 0}, "sequence_length"),
        ({"seal_tokens": 100}, "seal_tokens"),
        ({"seal_documents": 0}, "seal_documents"),
        ({"seal_age_s": 0}, "seal_age_s"),
        ({"seal_age_s": float("nan")}, "seal_age_s"),
        ({"packing": "tetris"}, "packing must be one of best_fit, concat, related"),
        ({"padding": 1}, "no setting padding"),
    ],
)
def test_wrong_settings_are_refused(wrong, told):
    with pytest.raises(ConfigurationError, match=told):
        configure(SERVICE.name, SERVICE.config, wrong)


def test_the_service_is_built_from_settings(tmp_path):
    resources = Resources(Settings(store_url=f"file://{tmp_path}"))
    known(resources.store)
    task = SERVICE.build(configure("sink", SERVICE.config, {"sequence_length": "64"}), resources, 2)
    task.restore([])
    task.feed(
        [Message("docs.mixed", 2, 0, None, document(1), 0), Message("docs.mixed", 2, 1, None, Flush(), 0)]
    )
    [output] = task.step(0.0, ()).outputs
    assert isinstance(output.value, PartSealed)
    assert output.value.name == "lane-002/part-002-00000000-000000000000-000000000000"
    assert output.value.sequence_length == 64


def test_a_part_is_counted_and_the_open_one_has_an_age(store):
    """Prevents documents that wait for their part for ever from showing nowhere."""
    river = lane(store)
    assert river.task.since is None
    river.put("docs.mixed", *(document(uid, 100, bucket="zh") for uid in range(1, 6)))
    river.run()
    (step,) = river.steps
    assert {name: (labels, number) for name, labels, number in step.counted} == {
        "sealed_parts": (("size",), 1),
        "sealed_tokens": (("zh",), 400),
    }
    assert river.task.since == pytest.approx(river.now, abs=60)
