"""Documents used again: in which order, how often, what is passed over, and none twice in one use."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest

from contracts import Control, Document, Flush, Forget, Quarantine, Retraction
from services.mixer.config import MixerConfig
from services.mixer.recipe import Recipe
from services.mixer.task import MIXER, Mixer
from tests.unit.mixer.lane import Lane

BUCKETS = {"zh": 'language == "zh"', "en": 'language == "en"'}
INPUTS = ["pool.zh", "pool.en", "pool.control"]


def recipe(*phases, **options):
    return Recipe.model_validate({"buckets": BUCKETS, "phases": phases, **options})


def lane(given, seed=0, max_chunk=50, **config):
    return Lane(
        lambda: Mixer(MixerConfig(linger_s=0, **config), given, 0, 1),
        INPUTS,
        MIXER.logs,
        seed,
        max_chunk,
        MIXER.tails,
    )


def document(uid, bucket="zh", tokens=10, rank=0.5, **fields):
    return Document(
        uid=uid, id=str(uid), language=bucket, bucket=bucket, num_tokens=tokens, rank=rank, **fields
    )


def uses(river):
    """Uid -> the uses with which it was mixed, in order."""
    found = defaultdict(list)
    for one in river.values("docs.mixed"):
        if isinstance(one, Document):
            found[one.uid].append(one.use)
    return found


def order(river):
    return [one.uid for one in river.values("docs.mixed") if isinstance(one, Document)]


STABLE = {"name": "stable", "weights": {"zh": 1}, "tokens": 100}


def test_a_second_phase_takes_the_documents_of_the_first_again_when_nothing_is_new():
    river = lane(recipe(STABLE, {"name": "anneal", "weights": {"zh": 1}, "max_uses": 2}))
    river.put("pool.zh", *(document(uid) for uid in range(1, 13)))
    river.run()
    assert order(river) == [*range(1, 13), *range(1, 13)], "two that are new come first"
    assert all(found == [1, 2] for found in uses(river).values())
    river.put("pool.zh", document(13))
    river.run()
    assert order(river)[-2:] == [13, 13]
    assert uses(river)[13] == [1, 2]


def test_without_a_word_of_it_nothing_is_used_again():
    river = lane(recipe(STABLE, {"name": "anneal", "weights": {"zh": 1}}))
    river.put("pool.zh", *(document(uid) for uid in range(1, 13)))
    river.run()
    assert order(river) == [*range(1, 13)]


def test_max_uses_counts_over_all_phases_and_by_bucket():
    phases = [
        {"name": "one", "weights": {"zh": 1, "en": 1}, "tokens": 400, "max_uses": {"zh": 2}},
        {"name": "two", "weights": {"zh": 1, "en": 1}, "max_uses": {"zh": 3, "en": 2}},
    ]
    river = lane(recipe(*phases, starvation="relax", relax_after_s=0))
    for bucket, first in (("zh", 1), ("en", 101)):
        river.put(f"pool.{bucket}", *(document(first + n, bucket) for n in range(15)))
    river.run()
    counts = Counter(len(found) for uid, found in uses(river).items() if uid < 100)
    assert counts == {3: 15}
    assert Counter(len(found) for uid, found in uses(river).items() if uid > 100) == {2: 15}
    assert all(found == list(range(1, len(found) + 1)) for found in uses(river).values())


def test_what_a_phase_passes_over_waits_for_one_that_wants_it():
    phases = [
        {"name": "good", "weights": {"zh": 1}, "tokens": 50, "where": "rank > 0.5"},
        {"name": "rest", "weights": {"zh": 1}, "where": {"zh": "rank > 0.2"}},
    ]
    river = lane(recipe(*phases))
    ranks = [0.9, 0.1, 0.4, 0.8, 0.7, 0.3, 0.9, 0.9, 0.15, 0.9]
    river.put("pool.zh", *(document(n + 1, rank=rank) for n, rank in enumerate(ranks)))
    river.run()
    assert order(river) == [1, 4, 5, 7, 8, 10, 3, 6], "new ones first, then those that were passed over"
    assert all(found == [1] for found in uses(river).values())
    aside = [uid for step in river.steps for uid in step.aside]
    assert sorted(aside) == [2, 3, 6, 9]
    assert [uid for step in river.steps for uid in step.resumed] == [3, 6]


def test_a_document_that_was_next_and_passed_over_since_is_not_next_again():
    """Prevents: once terms come back, one that left the buffer is mixed, and the one in its place is lost."""
    phases = [
        {"name": "all", "weights": {"zh": 1, "en": 1}, "tokens": 10},  # 101 is next when it ends
        {"name": "good", "weights": {"zh": 1, "en": 1}, "tokens": 20, "where": "rank > 0.5"},
        {"name": "rest", "weights": {"zh": 1, "en": 1}},
    ]
    river = lane(recipe(*phases, starvation="relax", relax_after_s=0))
    river.put("pool.zh", *(document(uid, rank=0.9) for uid in (1, 2, 3)))
    river.put("pool.en", *(document(uid, "en") for uid in (101, 102)))
    river.run()
    river.put("pool.en", *(document(uid, "en") for uid in (103, 104)))
    river.run()
    assert order(river)[:3] == [1, 2, 3]
    assert uses(river) == {uid: [1] for uid in (1, 2, 3, 101, 102, 103, 104)}


def test_a_reading_that_passed_over_what_had_its_uses_counts_as_none():
    """A document that was spared for its uses would be taken for used once more, and never come again."""
    phases = [
        {"name": "good", "weights": {"zh": 1}, "tokens": 30, "where": "rank > 0.5"},
        {"name": "rest", "weights": {"zh": 1}, "tokens": 30},
        {"name": "all", "weights": {"zh": 1}, "max_uses": 2},
    ]
    river = lane(recipe(*phases))
    river.put("pool.zh", *(document(uid, rank=uid % 2) for uid in range(1, 7)))
    river.run()
    assert order(river)[:6] == [1, 3, 5, 6, 2, 4], "what is new before what was passed over"
    assert uses(river) == {uid: [1, 2] for uid in range(1, 7)}


def test_a_document_that_cannot_answer_is_passed_over():
    river = lane(recipe({"name": "one", "weights": {"zh": 1}, "where": "features.math > 0.5"}))
    river.put("pool.zh", document(1), document(2, features={"math": 0.9}))
    river.run()
    assert order(river) == [2]


def test_starvation_reuse_reads_again_after_its_time_and_four_times_at_most():
    river = lane(recipe({"name": "one", "weights": {"zh": 1}}, starvation="reuse", relax_after_s=60))
    river.put("pool.zh", document(1), document(2))
    river.run()
    river.now += 59
    river.run()
    assert order(river) == [1, 2]
    river.now += 1
    river.run()
    assert order(river) == [1, 2] * 4
    river.put("pool.zh", document(3))
    river.run()
    assert order(river)[8:] == [3], "its time begins anew"


def test_a_flush_ends_where_nothing_new_is_left_and_fills_a_budget():
    """Else a run would not end, or an anneal phase of documents that were all used would stay empty."""
    again = {"name": "again", "weights": {"zh": 1}, "max_uses": 3}
    for budget, expected in ((None, [1, 2, 3]), (60, [1, 2, 3, 1, 2, 3]), (1000, [1, 2, 3] * 3)):
        phase = again if budget is None else again | {"tokens": budget}
        river = lane(recipe(phase), hold=True)
        river.put("pool.zh", *(document(uid) for uid in (1, 2, 3)))
        river.put("pool.control", Control(flush=Flush()))
        river.run()
        assert order(river) == expected
        assert isinstance(river.values("docs.mixed")[-1], Flush)


def test_a_bucket_that_is_used_again_keeps_its_share():
    phases = [{"name": "one", "weights": {"zh": 1, "en": 1}, "max_uses": {"en": 5}}]
    river = lane(recipe(*phases), max_chunk=500)
    river.put("pool.zh", *(document(uid) for uid in range(1, 401)))
    river.put("pool.en", *(document(1000 + uid, "en") for uid in range(80)))
    river.run()
    taken = Counter()
    for one in river.values("docs.mixed"):
        taken[one.bucket] += one.num_tokens
        assert abs(taken["zh"] - taken["en"]) <= 10
    assert taken["zh"] == 4000


@pytest.mark.parametrize("seed", range(8))
def test_under_kills_no_use_is_lost_or_doubled(seed):
    """Each document has its uses in order, or is dropped once, or aside."""
    rng = random.Random(seed)
    phases = [
        {"name": "a", "weights": {"zh": 2, "en": 1}, "tokens": 1500, "where": "rank > 0.3"},
        {"name": "b", "weights": {"zh": 1, "en": 1}, "tokens": 2500, "max_uses": {"zh": 3}},
        {"name": "c", "weights": {"zh": 1, "en": 2}, "where": {"en": "rank > 0.6"}, "max_uses": 2},
    ]
    given = recipe(*phases, starvation="relax", relax_after_s=0, spacing=60)
    river = lane(
        given, seed=seed, max_chunk=9, step_documents=1 + seed % 8, buffer_documents=12, look_ahead=5
    )
    ranks, told = {}, []
    for uid in range(1, 161):
        bucket = rng.choice(["zh", "en"])
        ranks[uid] = rng.random()
        river.put(
            f"pool.{bucket}",
            document(uid, bucket, rng.randint(1, 40), ranks[uid], cluster=rng.choice([0, 7, 8])),
            hole=rng.random() < 0.2,
        )
        if uid % 40 == 0:
            river.run(kill_share=0.3)
        if rng.random() < 0.1:
            told.append(rng.randint(1, 160))
            kind = rng.choice(
                [Control(retraction=Retraction(uid=told[-1])), Control(quarantine=Quarantine(uid=told[-1]))]
            )
            river.put("pool.control", kind)
    river.run(kill_share=0.3)
    found = uses(river)
    assert river.num_kills > 15
    wrong = {uid: times for uid, times in found.items() if times != list(range(1, len(times) + 1))}
    assert wrong == {}, "each use once, in order"
    assert max(map(len, found.values())) <= 3
    dropped = [one.uid for one, _, _ in river.dropped]
    assert len(dropped) == len(set(dropped))
    assert set(dropped) <= set(told)
    assert not set(dropped) & set(found), "what was used is not dropped afterwards"
    aside = Counter(uid for step in river.steps for uid in step.aside)
    aside.subtract(Counter(uid for step in river.steps for uid in step.resumed))
    assert set(aside.values()) <= {0, 1}
    ended = set(found) | set(dropped) | {uid for uid, number in aside.items() if number}
    assert ended == set(ranks), "each is used, dropped or aside"


def test_a_forgotten_document_leaves_nothing_but_its_name():
    river = lane(recipe({"name": "one", "weights": {"zh": 1}, "max_uses": 2}))
    river.put("pool.control", Control(forget=Forget(uid=2, why="asked for by its author")))
    river.put("pool.zh", *(document(uid, text="text", token_ids=b"1234") for uid in (1, 2, 3)))
    river.run()
    assert order(river) == [1, 3, 1, 3]
    [(left, reason, detail)] = river.dropped
    assert (left, reason, detail) == (
        Document(id="2", uid=2),
        "forgotten",
        "asked for by its author",
    )
    river.put("pool.control", Control(forget=Forget(uid=3, why="as well")))
    river.run()
    assert len(river.dropped) == 1, "what was used is no drop"
    erased = {message.key for message in river.topics["pool.zh"] if message.value is None}
    assert erased == {(2).to_bytes(8, "big")}
