"""The mixer: shares, order, waiting and relaxing, retractions, state; killed and restored at random."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import structlog

from contracts import Control, Document, Flush, MixerState, Quarantine, Retraction
from services.mixer.config import MixerConfig
from services.mixer.recipe import Recipe
from services.mixer.task import MIXER, Mixer
from services.runtime import topics
from services.runtime.contracts.lane import Message, Step
from tests.unit.mixer.lane import Lane

INPUTS = ["pool.code", "pool.zh", "pool.en", "pool.control"]
PHASES = {"stable": {"zh": 4, "en": 4, "code": 2}}


def recipe(phases=None, **options):
    buckets = {"code": 'format == "code"', "zh": 'language == "zh"', "en": 'language == "en"'}
    told = [
        {
            "name": name,
            "weights": {k: v for k, v in weights.items() if k != "tokens"},
            "tokens": weights.get("tokens"),
        }
        for name, weights in (phases or PHASES).items()
    ]
    return Recipe.model_validate({"buckets": buckets, "phases": told, **options})


def lane(given=None, seed=0, lanes=1, max_chunk=50, **config):
    given = given or recipe()

    def build():
        return Mixer(MixerConfig(**{"linger_s": 0, **config}), given, 0, lanes)

    return Lane(build, INPUTS, MIXER.logs, seed, max_chunk, MIXER.tails)


def document(uid, num_tokens=10, bucket="zh"):
    return Document(
        uid=uid,
        id=str(uid),
        features={"num_words": 2},
        bucket=bucket,
        num_tokens=num_tokens,
        token_ids=bytes(4 * num_tokens),
    )


def fill(river, counts, rng=None, start=0):
    """Put documents of 1-2000 tokens into the pools; uids are distinct across buckets."""
    rng = rng or random.Random(7)
    for number, (bucket, count) in enumerate(counts.items()):
        for index in range(count):
            uid = start + number * 1_000_000 + index + 1
            river.put(f"pool.{bucket}", document(uid, rng.randint(1, 2000), bucket), hole=rng.random() < 0.1)


def mixed(river):
    return [value for value in river.values("docs.mixed") if isinstance(value, Document)]


def uids(river):
    return [value.uid if isinstance(value, Document) else "flush" for value in river.values("docs.mixed")]


def shares(documents):
    tokens = Counter()
    for one in documents:
        tokens[one.bucket] += one.num_tokens
    return {bucket: count / tokens.total() for bucket, count in tokens.items()}


def test_the_mix_follows_the_weights_in_tokens_at_every_moment():
    """Counting documents instead of tokens, or drifting early, would feed the model another mix."""
    river = lane()
    fill(river, {"zh": 2000, "en": 1000, "code": 1500})
    river.run()
    out = mixed(river)
    assert len(out) > 2000
    for moment in (200, 1000, len(out)):
        found = shares(out[:moment])
        tokens = sum(d.num_tokens for d in out[:moment])
        for bucket, target in {"zh": 0.4, "en": 0.4, "code": 0.2}.items():
            assert abs(found[bucket] - target) * tokens <= 2 * 2000, "off by at most two documents"


def test_a_mixed_document_carries_tokens_phase_and_use_and_not_what_was_measured():
    river = lane()
    fill(river, {"zh": 3, "en": 3, "code": 3})
    river.run()
    for one in mixed(river):
        assert (one.phase, one.use, len(one.features)) == ("stable", 1, 0)
        assert one.recipe == recipe().digest
        assert len(one.token_ids) == 4 * one.num_tokens


def test_where_it_is_from_goes_on():
    """Prevents parts whose licences nobody can tell."""
    river = lane()
    one = document(1)
    one.metadata.update({"url": "https://example.org/tides", "licence": "CC0"})
    river.put("pool.zh", one)
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    [found] = mixed(river)
    assert dict(found.metadata) == {"url": "https://example.org/tides", "licence": "CC0"}


def test_a_bucket_that_runs_dry_is_waited_for_and_the_others_stay_in_their_pools():
    """`wait` must not quietly turn into English alone."""
    river = lane()
    fill(river, {"en": 100})
    river.run()
    assert len(mixed(river)) == 0
    assert river.committed["pool.en"] == 0, "what is not mixed is not consumed"
    fill(river, {"zh": 100, "code": 100}, start=50)
    river.run()
    assert shares(mixed(river))["en"] == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_depends_on_the_pools_alone_not_on_batches_or_kills(seed):
    """A lane whose order followed the network could not be replayed, nor its parts compared."""
    calm = lane(max_chunk=10_000, buffer_documents=100_000, buffer_bytes=1 << 30)
    wild = lane(seed=seed, max_chunk=7, step_documents=1 + seed, buffer_documents=5 + seed)
    for river in (calm, wild):
        fill(river, {"zh": 150, "en": 120, "code": 200})
        river.put("pool.control", Control(flush=Flush(run="r")))
    calm.run()
    wild.run(kill_share=0.2)
    assert wild.num_kills > 20
    assert uids(wild) == uids(calm)
    assert len(uids(calm)) == 470 + 1


def test_a_flush_takes_what_waits_and_is_passed_on_after_the_last_document():
    """A run over a folder of English alone must end with everything in parts."""
    river = lane(max_chunk=3)
    fill(river, {"en": 40, "code": 5})
    river.put("pool.control", Control(flush=Flush(run="one")))
    river.run()
    assert uids(river)[-1] == "flush"
    assert river.values("docs.mixed")[-1] == Flush(run="one")
    assert Counter(d.bucket for d in mixed(river)) == {"en": 40, "code": 5}
    assert river.committed["pool.control"] == 1
    # And the next documents are mixed as the recipe says again.
    fill(river, {"en": 10}, start=500_000)
    river.run()
    assert len(mixed(river)) == 45


def test_while_flushing_the_deficit_still_decides_among_those_that_have_documents():
    river = lane()
    fill(river, {"en": 300, "code": 300})
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    first = mixed(river)[:150]
    assert shares(first)["en"] > 0.4, "en has twice the weight of code"
    assert Counter(d.bucket for d in first)["code"] > 10


def test_a_flush_waits_for_documents_that_are_still_to_be_read():
    """Passing it on early would seal a part and report an end that is none."""
    river = lane(max_chunk=1)
    fill(river, {"zh": 30, "en": 30, "code": 30})
    river.put("pool.control", Control(flush=Flush()))
    mixer = river.task
    mixer.feed(river.topics["pool.control"])
    step = mixer.step(river.now, {"pool.control"})
    assert step is None
    river.start()
    river.run()
    assert uids(river).index("flush") == 90


def test_a_marker_before_a_flush_is_no_step_of_its_own():
    """Prevents: a transaction with the whole state of a lane that says nothing, at each flush."""
    river = lane()
    river.put("pool.control", Control(flush=Flush(run="one")), hole=True)
    river.run()
    river.put("pool.control", Control(flush=Flush(run="two")))
    river.task.feed(river.topics["pool.control"][-1:])
    assert river.task.step(river.now, {"pool.control"}) is None, "its pools are not read out"
    river.start()
    river.run()
    assert river.values("docs.mixed") == [Flush(run="one"), Flush(run="two")]


def test_held_back_it_mixes_at_a_flush_alone_when_all_retractions_are_there():
    """In a run with an end, a worse duplicate must not be packed because its better came a moment later."""
    river = lane(hold=True, max_chunk=3)
    fill(river, {"zh": 40, "en": 40, "code": 20})
    river.run()
    assert river.values("docs.mixed") == []
    river.put(
        "pool.control", Control(retraction=Retraction(uid=1)), Control(retraction=Retraction(uid=1_000_001))
    )
    river.put("pool.control", Control(flush=Flush(run="one")))
    river.run()
    assert len(mixed(river)) == 98
    assert not {1, 1_000_001} & set(uids(river))
    fill(river, {"en": 10}, start=500_000)
    river.run()
    assert len(mixed(river)) == 98, "held back again after the flush"


def test_an_empty_flush_is_passed_on():
    river = lane()
    river.put("pool.control", Control(flush=Flush(run="a")), Control(flush=Flush(run="b")))
    river.run()
    assert river.values("docs.mixed") == [Flush(run="a"), Flush(run="b")]
    assert river.committed["pool.control"] == 2


def test_relax_goes_on_without_a_dry_bucket_after_its_time_and_returns_to_it():
    river = lane(recipe(starvation="relax", relax_after_s=60))
    fill(river, {"en": 100})
    river.run()
    river.now += 59
    river.run()
    assert len(mixed(river)) == 0, "not before its time"
    river.now += 1
    with structlog.testing.capture_logs() as logged:
        river.run()
    assert Counter(d.bucket for d in mixed(river)) == {"en": 100}
    said = [line for line in logged if line["event"].startswith("relaxed")]
    assert [line["buckets"] for line in said] == [["code", "zh"]], "once, and not for each document"
    fill(river, {"en": 100, "zh": 20}, start=200_000)
    river.run()
    after = mixed(river)[100:]
    assert after[0].bucket == "zh", "a bucket that comes back is owed the most"


def test_relax_is_not_undone_by_other_topics_that_keep_the_reader_busy():
    """`drained` lists nothing while the reader is busy; that must not start the clock again."""
    mixer = Mixer(MixerConfig(linger_s=0), recipe(starvation="relax", relax_after_s=60), 0, 1)
    river = lane()
    fill(river, {"en": 100})
    messages = river.topics["pool.en"]
    mixer.feed(messages[:50])
    everything = set(INPUTS)
    assert mixer.step(0.0, everything) is None
    assert mixer.step(30.0, set()) is None
    mixer.feed(messages[50:])
    step = mixer.step(61.0, set())
    assert step is not None
    assert step.consumed == {"pool.en": messages[-1].offset + 1, "pool.control": 0}


def test_a_retraction_before_or_after_its_document_drops_it_unless_it_is_mixed():
    river = lane(buffer_documents=1000)
    river.put("pool.zh", *(document(uid) for uid in (1, 2, 3, 4)))
    river.put("pool.en", document(400))
    river.put("pool.code", document(401))
    river.put("pool.control", Control(retraction=Retraction(uid=2, superseded_by=9, similarity=0.875)))
    river.put("pool.control", Control(retraction=Retraction(uid=2, superseded_by=10, similarity=0.9)))
    river.run()
    assert uids(river) == [1, 400, 401], "zh or en is next, and of en there is none"
    assert river.committed["pool.control"] == 2
    river.start()
    river.put(
        "pool.control",
        Control(retraction=Retraction(uid=3, superseded_by=11)),
        Control(retraction=Retraction(uid=1)),
        Control(retraction=Retraction(uid=77)),
    )
    fill(river, {"en": 50, "code": 50}, start=500)
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    assert [(d.uid, reason) for d, reason, _ in river.dropped] == [(2, "superseded"), (3, "superseded")]
    assert river.dropped[0][2] == "superseded by 0000000000000009, similarity 0.88"
    assert dict(river.dropped[0][0].features), "kept for audit"
    assert {1, 4} <= set(uids(river))
    assert not {2, 3} & set(uids(river))
    assert {reason for _, reason, _ in river.dropped} <= MIXER.drop_reasons


@pytest.mark.parametrize("seed", range(4))
def test_under_kills_every_document_is_mixed_or_dropped_once(seed):
    rng = random.Random(seed)
    river = lane(seed=seed, max_chunk=9, step_documents=5, buffer_documents=11)
    counts = {"zh": 80, "en": 90, "code": 40}
    fill(river, counts)
    everything = [m.value.uid for b in counts for m in river.topics[f"pool.{b}"]]
    retracted = rng.sample(everything, 60)
    for uid in retracted[:30]:
        river.put("pool.control", Control(retraction=Retraction(uid=uid, superseded_by=1)))
    river.run(kill_share=0.3)
    for uid in retracted[30:]:
        river.put("pool.control", Control(retraction=Retraction(uid=uid, superseded_by=1)))
    river.put("pool.control", Control(flush=Flush()))
    river.run(kill_share=0.3)
    dropped = [d.uid for d, _, _ in river.dropped]
    assert sorted([*dropped, *(u for u in uids(river) if u != "flush")]) == sorted(everything)
    assert set(retracted[:30]) <= set(dropped) <= set(retracted)
    assert river.num_kills > 10


def test_retractions_that_were_there_first_are_honoured_although_the_pool_is_read_first():
    """After an outage both topics have a backlog; a pool that is quicker must not win."""
    mixer = Mixer(MixerConfig(linger_s=0), recipe({"one": {"zh": 1}}), 0, 1)
    river = lane()
    river.put("pool.zh", document(1))
    mixer.feed(river.topics["pool.zh"])
    assert mixer.step(0.0, {"pool.zh"}) is None
    river.put("pool.control", Control(retraction=Retraction(uid=1)))
    mixer.feed(river.topics["pool.control"])
    step = mixer.step(0.0, {"pool.zh", "pool.control"})
    assert [d.uid for d, _, _ in step.dropped] == [1]


def test_a_quarantined_document_is_not_mixed_and_the_reason_is_kept():
    river = lane()
    fill(river, {"zh": 20, "en": 20, "code": 20})
    river.put(
        "pool.control",
        Control(quarantine=Quarantine(uid=7, why="spoils the loss")),
        Control(quarantine=Quarantine(uid=7, why="said again")),
        Control(retraction=Retraction(uid=8)),
        Control(flush=Flush()),
    )
    river.run(kill_share=0.3)
    assert sorted((d.uid, reason) for d, reason, _ in river.dropped) == [
        (7, "quarantined"),
        (8, "superseded"),
    ]
    assert [detail for d, _, detail in river.dropped if d.uid == 7] == ["spoils the loss"]
    assert len(mixed(river)) == 58


def test_what_is_told_after_a_flush_counts_at_once_and_is_read_again_until_the_flush_is_done():
    """A place past a Flush that waits would lose the Flush with the next kill, and a run would never end."""
    river = lane(step_documents=5)
    fill(river, {"zh": 40, "en": 40, "code": 40})
    river.put("pool.control", Control(flush=Flush(run="one")), Control(retraction=Retraction(uid=39)))
    for _ in range(3):
        river.feed()
        river.step()
        assert river.committed["pool.control"] == 0
    river.run(kill_share=0.3)
    assert [d.uid for d, _, _ in river.dropped] == [39]
    assert uids(river).count("flush") == 1
    assert river.committed["pool.control"] == 2


def test_an_oversupplied_pool_is_paused_by_documents_and_by_bytes():
    """Unbounded buffers would end in the memory limit as soon as one bucket is starved."""
    for config in ({"buffer_documents": 20}, {"buffer_bytes": 40_000}):
        river = lane(max_chunk=5, **config)
        fill(river, {"en": 500})
        river.run()
        assert "pool.en" not in river.task.wants()
        assert {"pool.zh", "pool.code", "pool.control"} == set(river.task.wants())
        assert river._position["pool.en"] < 60


def test_a_step_is_bounded_in_documents_and_bytes():
    for config in ({"step_documents": 4}, {"step_bytes": 10_000}):
        river = lane(**config)
        fill(river, {"zh": 60, "en": 60, "code": 60})
        for bucket in ("zh", "en"):
            river.put(
                "pool.control",
                *(
                    Control(retraction=Retraction(uid=m.value.uid))
                    for m in river.topics[f"pool.{bucket}"][:20]
                ),
            )
        river.run()
        for step in river.steps:
            moved = [o.value for o in step.outputs if isinstance(o.value, Document)]
            moved += [d for d, _, _ in step.dropped]
            assert len(moved) <= config.get("step_documents", 1 << 30)
            sizes = [d.ByteSize() for d in moved]
            assert sum(sizes) - max(sizes, default=0) < config.get("step_bytes", 1 << 30)
            assert sum(isinstance(o.value, MixerState) for o in step.outputs) <= 1
        assert len(river.steps) > 20


def test_phases_follow_each_other_by_their_budgets_each_lane_taking_its_share():
    phases = {"one": {"zh": 1, "en": 1, "tokens": 1001}, "two": {"code": 3, "zh": 1}}
    river = lane(recipe(phases), lanes=2)
    for bucket in ("zh", "en", "code"):
        river.put(f"pool.{bucket}", *(document(ord(bucket[0]) * 1000 + i, 10, bucket) for i in range(200)))
    river.run()
    by_phase = Counter((d.phase, d.bucket) for d in mixed(river))
    assert by_phase["one", "zh"] + by_phase["one", "en"] == 51, "half of 1001 tokens, rounded up, in tens"
    assert by_phase["one", "code"] == 0, "no weight, not touched"
    assert by_phase["two", "en"] == 0
    assert by_phase["two", "code"] == pytest.approx(3 * by_phase["two", "zh"], abs=2)
    assert [d.phase for d in mixed(river)] == sorted(d.phase for d in mixed(river))


def test_after_the_last_budget_nothing_is_taken_and_a_flush_still_passes():
    """A run would never end if its Flush waited for documents that nobody may take."""
    river = lane(recipe({"only": {"zh": 1, "tokens": 100}}))
    river.put("pool.zh", *(document(i, 10) for i in range(1, 51)))
    river.run()
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    assert uids(river) == [*range(1, 11), "flush"]
    assert set(river.task.wants()) == {"pool.control"}
    assert river.committed["pool.zh"] == 10


def test_a_flush_leaves_a_bucket_without_weight_alone():
    river = lane(recipe({"one": {"zh": 1}}))
    fill(river, {"zh": 3, "en": 5})
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    assert [d.bucket for d in mixed(river)] == ["zh"] * 3


def test_a_lane_goes_on_by_the_recipe_of_its_state_whatever_its_settings_say():
    """Another recipe is told in pool.control; a process with other settings must not mix by them."""
    river = lane()
    fill(river, {"zh": 50, "en": 50, "code": 50})
    river.run()
    [*_, state] = river.values("pool.state")
    assert state.documents == len(mixed(river))
    assert sum(state.tokens.values()) == sum(d.num_tokens for d in mixed(river))
    for given in (recipe(), recipe({"stable": {"zh": 1, "en": 2}})):
        mixer = Mixer(MixerConfig(linger_s=0), given, 0, 1)
        mixer.restore(river.topics["pool.state"])
        found = mixer._ledger.state()
        assert (found.tokens, found.documents) == (state.tokens, state.documents)


def test_documents_of_no_tokens_do_not_stall_the_mix():
    """The sink turns them away with a reason; here they must only not be counted."""
    river = lane()
    river.put("pool.zh", *(document(i, 0) for i in range(1, 6)))
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    assert uids(river) == [1, 2, 3, 4, 5, "flush"]


@pytest.mark.parametrize("field", ["buffer_documents", "buffer_bytes", "step_documents", "step_bytes"])
def test_a_bound_below_one_is_refused(field):
    with pytest.raises(ValueError, match=field):
        MixerConfig(**{field: 0})


def test_the_last_state_says_how_far_each_input_was_consumed():
    """Prevents an offset that is lost in Kafka from having no other witness: `offsets mend` goes by it."""
    river = lane()
    fill(river, {"zh": 5, "en": 5, "code": 5})
    river.run()
    [*_, last] = river.topics["pool.state"]
    said = MIXER.reached([last], {})
    assert said == dict(last.value.consumed)
    assert said == river.committed
    assert "pool.en" in said
    assert MIXER.reached([], {}) == {}
    again = Mixer(MixerConfig(linger_s=0), recipe(), 0, 1)
    again.restore(river.topics["pool.state"])
    assert again._consumed == said


def test_what_is_taken_is_counted_beside_what_the_recipe_asks_for():
    """Prevents a mix that deviates from showing nowhere while the river runs; and a change of phase from
    looking like a deviation."""
    phases = {"stable": {"zh": 4, "en": 4, "code": 2, "tokens": 200_000}, "anneal": {"zh": 1, "en": 1}}
    river = lane(recipe(phases))
    fill(river, {"zh": 300, "en": 300, "code": 300})
    river.run()
    taken, asked = Counter(), Counter()
    for step in river.steps:
        for name, (bucket,), number in step.counted:
            {"mixed_tokens": taken, "mix_target_tokens": asked}[name][bucket] += number
    mixed = [m.value for m in river.topics["docs.mixed"] if isinstance(m.value, Document)]
    assert {d.phase for d in mixed} == {"stable", "anneal"}
    by_bucket = Counter()
    for document_ in mixed:
        by_bucket[document_.bucket] += document_.num_tokens
    assert taken == by_bucket
    assert sum(asked.values()) == pytest.approx(sum(taken.values()))
    for bucket in taken:
        assert abs(asked[bucket] - taken[bucket]) <= 2 * 2000  # a longest document in either phase


def test_what_comes_little_by_little_is_mixed_together_and_a_flush_does_not_wait() -> None:
    """Prevents: a transaction for each handful of a trickle, and a `run` that waits at its end."""
    mixer = Mixer(MixerConfig(linger_s=1), recipe({"one": {"zh": 1}}), 0, 1)
    mixer.restore([])
    read = {topics.CONTROL}
    mixer.step(99.0, read)
    mixer.feed([Message("pool.zh", 0, 0, None, document(1), 0)])
    assert mixer.step(100.0, read) is None
    mixer.feed([Message("pool.zh", 0, 1, None, document(2), 0)])
    assert mixer.step(100.9, read) is None
    step = mixer.step(101.0, read)
    assert step is not None
    assert _uids(step) == [1, 2]
    mixer.feed([Message("pool.zh", 0, 2, None, document(3), 0)])
    assert mixer.step(101.1, read) is None
    mixer.feed([Message(topics.CONTROL, 0, 0, None, Control(flush=Flush(run="a")), 0)])
    assert mixer.step(101.2, read) is None, "more may come before the flush"
    flushed = mixer.step(101.3, read | {"pool.zh", "pool.en", "pool.code"})
    assert flushed is not None
    assert _uids(flushed) == [3]
    assert any(isinstance(o.value, Flush) for o in flushed.outputs), "in the same transaction"


@pytest.mark.parametrize("bounds", [{"step_documents": 3}, {"step_bytes": 100}])
def test_as_much_as_fits_a_step_is_mixed_at_once(bounds: dict[str, int]) -> None:
    """Prevents: a flood that is mixed a step a second."""
    mixer = Mixer(MixerConfig(linger_s=1, **bounds), recipe({"one": {"zh": 1}}), 0, 1)
    mixer.restore([])
    mixer.feed([Message("pool.zh", 0, at, None, document(at + 1), 0) for at in range(3)])
    assert mixer.step(100.0, {topics.CONTROL}) is not None


def _uids(step: Step) -> list[int]:
    return [o.value.uid for o in step.outputs if isinstance(o.value, Document)]
