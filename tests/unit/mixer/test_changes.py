"""Another recipe in the middle of a river: at its offset, with the phase kept, and the pools sorted anew."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from contracts import Control, Document, Flush, Forget, MixerState, RecipeChange
from services.mixer import router
from services.mixer.config import MixerConfig
from services.mixer.recipe import Recipe
from services.mixer.task import MIXER, Mixer
from tests.unit.mixer.lane import Lane
from tests.unit.mixer.test_reuse import order, uses

OLD = {"zh": 'language == "zh"', "en": 'language == "en"'}
NEW = {"math": "has(features.math)", **OLD}
BUCKETS = ["math", "zh", "en"]
INPUTS = [*(f"pool.{bucket}" for bucket in BUCKETS), "pool.control"]


def recipe(buckets=None, *phases, **options):
    phases = phases or ({"name": "one", "weights": dict.fromkeys(buckets or OLD, 1)},)
    return Recipe.model_validate({"buckets": buckets or OLD, "phases": phases, **options})


def lane(given, seed=0, max_chunk=50, buckets=BUCKETS, inputs=INPUTS, **config):
    def build():
        return Mixer(MixerConfig(linger_s=0, **config), given, 0, 1, buckets=buckets)

    return Lane(build, inputs, MIXER.logs, seed, max_chunk, MIXER.tails)


def told(given):
    return Control(recipe=RecipeChange(text=given.text))


def put(river, given, *documents, hole=False):
    """As the router does that knows this recipe."""
    for one in documents:
        router.choose(one, router.tests(given))
        river.put(f"pool.{one.bucket}", one, hole=hole)


def document(uid, language="zh", tokens=10, math=False):
    features = {"math": 1.0} if math else {}
    return Document(uid=uid, id=str(uid), language=language, num_tokens=tokens, features=features)


def documents(river):
    return [one for one in river.values("docs.mixed") if isinstance(one, Document)]


def test_other_weights_hold_from_their_offset_on_and_the_phase_keeps_its_counts():
    phases = [
        {"name": "one", "weights": {"zh": 1, "en": 1}, "tokens": 3000},
        {"name": "two", "weights": {"en": 1}},
    ]
    before = recipe(OLD, *phases)
    after = recipe(OLD, phases[0] | {"weights": {"zh": 3, "en": 1}}, phases[1])
    river = lane(before)
    put(
        river,
        before,
        *(document(n, "zh") for n in range(1, 101)),
        *(document(1000 + n, "en") for n in range(100)),
    )
    river.run()
    assert len(documents(river)) == 200
    river.put("pool.control", told(after))
    put(
        river,
        before,
        *(document(n, "zh") for n in range(101, 401)),
        *(document(2000 + n, "en") for n in range(300)),
    )
    river.run()
    since = documents(river)[200:]
    assert {one.recipe for one in documents(river)[:200]} == {before.digest}
    assert {one.recipe for one in since} == {after.digest}
    first = [one for one in since if one.phase == "one"]
    assert len(first) == 100, "the budget of 3000 counts what was mixed before"
    assert abs(sum(one.bucket == "zh" for one in first) - 75) <= 1, "and what came before is not made up for"
    [*_, state] = river.values("pool.state")
    assert state.phase == "two"
    assert list(state.over) == ["one"]
    assert (state.consumed["pool.control"], state.recipe) == (1, after.digest)


def test_where_the_phase_is_gone_the_first_that_is_not_over_comes():
    names = ["a", "b", "c"]
    phases = [{"name": name, "weights": {"zh": 1}, "tokens": 20} for name in names]
    river = lane(recipe(OLD, *phases))
    put(river, recipe(), *(document(n) for n in range(1, 4)))
    river.run()
    assert [one.phase for one in documents(river)] == ["a", "a", "b"]
    other = [{"name": name, "weights": {"zh": 1}, "tokens": 20} for name in ("a", "new", "c")]
    river.put("pool.control", told(recipe(OLD, *other)))
    put(river, recipe(), *(document(n) for n in range(4, 12)))
    river.run()
    assert [one.phase for one in documents(river)[3:]] == ["new", "new", "c", "c"]


def test_the_same_recipe_again_changes_nothing():
    given = recipe()
    river = lane(given)
    put(river, given, document(1, "zh"), document(2, "en"))
    river.put("pool.control", told(given), told(given))
    river.run()
    assert order(river) == [1, 2]
    assert river.committed["pool.control"] == 2


def test_a_change_waits_for_the_flush_before_it():
    given, other = recipe(), recipe(OLD, {"name": "one", "weights": {"zh": 1}})
    river = lane(given, hold=True)
    put(river, given, document(1, "zh"), document(2, "en"), document(3, "en"))
    river.put("pool.control", Control(flush=Flush(run="a")), told(other))
    river.run()
    assert order(river) == [1, 2, 3]
    assert {one.recipe for one in documents(river)} == {given.digest}
    assert river.committed["pool.control"] == 2


def test_a_recipe_whose_pool_is_not_read_yet_waits_for_the_next_start():
    """The process that reads the new topic takes it up; this one must neither pass it over nor mix by it."""
    given, other = recipe(), recipe(NEW)
    river = lane(given, buckets=["zh", "en"], inputs=["pool.zh", "pool.en", "pool.control"])
    put(river, given, document(1, "zh"), document(2, "en"))
    river.put("pool.control", told(other))
    river.run()
    assert river.committed["pool.control"] == 0
    assert {one.recipe for one in documents(river)} == {given.digest}


def test_documents_that_wait_are_sorted_by_the_new_buckets_before_anything_is_mixed():
    """A new bucket would be starved, and stop the mix, while what it asks for lies in another's pool."""
    before, after = recipe(), recipe(NEW)
    river = lane(before, hold=True, buffer_documents=20, step_documents=7)
    waiting = [document(n, "zh", math=n % 10 == 0) for n in range(1, 101)]
    put(river, before, *waiting, *(document(1000 + n, "en") for n in range(100)))
    river.put("pool.control", told(after))
    late = document(201, "zh", math=True)
    put(river, before, late)  # by a router that has not heard of it
    put(river, after, document(202, "zh", math=True), document(203, "zh"))
    river.run()
    assert documents(river) == []
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    assert Counter(one.bucket for one in documents(river)) == {"math": 12, "zh": 91, "en": 100}
    assert {one.uid for one in documents(river) if one.bucket == "math"} == {*range(10, 101, 10), 201, 202}
    assert all(times == [1] for times in uses(river).values())
    assert river.dropped == []


def test_what_was_used_is_sorted_too_where_it_may_be_used_again():
    phase = {"name": "one", "weights": {"zh": 1, "en": 1}, "tokens": 400}
    again = {"name": "two", "weights": {"math": 1, "zh": 1}, "max_uses": 2}
    before = recipe(OLD, phase, {"name": "two", "weights": {"zh": 1}})
    after = recipe(NEW, phase, again)
    river = lane(before)
    put(river, before, *(document(n, "zh", math=n % 4 == 0) for n in range(1, 21)))
    put(river, before, *(document(1000 + n, "en") for n in range(20)))
    river.run()
    assert len(documents(river)) == 40
    river.put("pool.control", told(after))
    river.run()
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    since = documents(river)[40:]
    assert {one.uid: one.bucket for one in since} == {n: "math" if n % 4 == 0 else "zh" for n in range(1, 21)}
    assert all(one.use == 2 for one in since)
    assert {key: times for key, times in uses(river).items() if key <= 20} == {
        n: [1, 2] for n in range(1, 21)
    }


def test_the_pool_of_a_bucket_that_is_no_more_is_emptied():
    before, after = recipe(NEW), recipe(OLD)
    river = lane(before, hold=True)
    put(river, before, *(document(n, "zh", math=True) for n in range(1, 6)), document(9, "fr", math=True))
    river.put("pool.control", told(after))
    river.run()
    put(river, before, document(6, "zh", math=True))
    river.put("pool.control", Control(flush=Flush()))
    river.run()
    assert {one.uid: one.bucket for one in documents(river)} == dict.fromkeys(range(1, 7), "zh")
    assert [(one.uid, reason) for one, reason, _ in river.dropped] == [(9, "no_bucket")]


def test_a_bucket_behind_the_others_leaves_their_pools_as_they_are():
    before, after = recipe(), recipe({**OLD, "math": "has(features.math)"})
    river = lane(before, hold=True)
    put(river, before, *(document(n, "zh") for n in range(1, 6)))
    river.put("pool.control", told(after))
    river.run()
    assert len(river.topics["pool.zh"]) == 5


@pytest.mark.parametrize("seed", range(6))
def test_under_kills_and_changes_each_use_is_there_once(seed):
    rng = random.Random(seed)
    phases = [
        {"name": "a", "weights": {"zh": 2, "en": 1}, "tokens": 600},
        {"name": "b", "weights": {"zh": 1, "en": 1}, "max_uses": 2},
    ]
    options = {"starvation": "relax", "relax_after_s": 0}
    with_math = [phase | {"weights": phase["weights"] | {"math": 1}} for phase in phases]
    recipes = [
        recipe(OLD, *phases, **options),
        recipe(NEW, *with_math, **options),
        recipe(OLD, phases[0], phases[1] | {"max_uses": 3}, **options),
        recipe(NEW, *with_math, spacing=30, **options),
    ]
    river = lane(recipes[0], seed=seed, max_chunk=7, step_documents=1 + seed % 8, buffer_documents=9)
    knows = recipes[0]
    for uid in range(1, 161):
        one = document(uid, rng.choice(["zh", "en"]), rng.randint(1, 30), math=rng.random() < 0.3)
        put(river, knows, one, hole=rng.random() < 0.2)
        if uid % 40 == 0 and uid < 160:
            river.run(kill_share=0.3)
            river.put("pool.control", told(recipes[uid // 40]))
        if uid % 40 == 5:
            knows = recipes[uid // 40]
    river.run(kill_share=0.3)
    found = uses(river)
    wrong = {uid: times for uid, times in found.items() if times != list(range(1, len(times) + 1))}
    assert wrong == {}
    assert set(found) == set(range(1, 161))
    assert max(map(len, found.values())) <= 3
    assert river.num_kills > 10
    assert not [one for step in river.steps for one in step.aside]
    [*_, state] = [value for value in river.values("pool.state") if isinstance(value, MixerState)]
    assert state.recipe == recipes[3].digest
    for one in documents(river):
        assert one.bucket in recipes[[r.digest for r in recipes].index(one.recipe)].buckets


def test_what_is_to_be_forgotten_leaves_its_names_alone_when_it_is_sorted():
    """The drops are archived: its text and tokens would stay there."""
    before, after = recipe(), recipe(NEW)
    river = lane(before, hold=True)
    one = document(5, "zh")
    one.token_ids, one.text = b"12345678", "text"
    put(river, before, one)
    river.put("pool.control", told(after), Control(forget=Forget(uid=5, why="asked for")))
    river.run()
    assert river.dropped == [(Document(id="5", uid=5), "forgotten", "asked for")]
