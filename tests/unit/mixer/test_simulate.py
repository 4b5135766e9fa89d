"""The simulation: what the mixer does over the same documents, and quickly over very many."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from contracts import Control, Document, Flush
from services.mixer.config import MixerConfig
from services.mixer.recipe import Recipe
from services.mixer.simulate import simulate
from services.mixer.supply import Even, Listed
from services.mixer.task import MIXER, Mixer
from tests.unit.mixer.lane import Lane
from tests.unit.mixer.test_mixer import document, lane, mixed, recipe

PHASES = {
    "stable": {"zh": 4, "en": 4, "code": 2, "tokens": 300_001},
    "anneal": {"code": 3, "zh": 1, "tokens": 150_000},
    "last": {"en": 1, "zh": 1},
}


def lengths_of(counts, seed):
    rng = random.Random(seed)
    return {bucket: [rng.randint(0, 2000) for _ in range(count)] for bucket, count in counts.items()}


def mixed_by(given, lengths, flush):
    """(phase, bucket) -> tokens by the mixer itself, fold and all."""
    river = lane(given, buffer_documents=100_000, buffer_bytes=1 << 30, max_chunk=10_000)
    for number, (bucket, known) in enumerate(lengths.items()):
        for index, length in enumerate(known):
            river.put(f"pool.{bucket}", document(number * 1_000_000 + index + 1, length, bucket))
    if flush:
        river.put("pool.control", Control(flush=Flush()))
    river.run()
    found = Counter()
    for one in mixed(river):
        found[one.phase, one.bucket] += one.num_tokens
    return +found


def mixed_in(found):
    return +Counter({(p.name, name): use.tokens for p in found.phases for name, use in p.buckets.items()})


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize(
    "counts",
    [
        {"zh": 600, "en": 500, "code": 400},
        {"zh": 600, "en": 50, "code": 400},
        {"zh": 0, "en": 300, "code": 10},
        {"zh": 100, "en": 100, "code": 0},
    ],
    ids=str,
)
def test_it_takes_what_the_mixer_takes_over_the_same_documents(counts, flush):
    """A simulation with arithmetic of its own would be right until somebody changes the mixer."""
    for seed, phases in enumerate([PHASES, {"only": {"zh": 4, "en": 4, "code": 2}}]):
        lengths = lengths_of(counts, seed)
        found = simulate(recipe(phases), {b: Listed(known) for b, known in lengths.items()}, flush=flush)
        assert mixed_in(found) == mixed_by(recipe(phases), lengths, flush)
        assert found.left == {
            b: sum(lengths[b]) - sum(p.buckets[b].tokens for p in found.phases) for b in ("code", "zh", "en")
        }


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("last", [None, 400_000])
def test_what_is_used_again_and_what_is_passed_over_is_what_the_mixer_does(flush, last):
    """Epochs and starvation of an anneal phase are what the simulation is asked for first."""
    buckets = {"zh": 'language == "zh"', "en": 'language == "en"'}
    phases = [
        {"name": "a", "weights": {"zh": 1, "en": 1}, "tokens": 120_000, "where": "rank > 0.4"},
        {"name": "b", "weights": {"zh": 2, "en": 1}, "where": {"en": "rank > 0.7"}, "max_uses": 3},
    ]
    phases[1]["tokens"] = last
    given = Recipe.model_validate(
        {"buckets": buckets, "phases": phases, "starvation": "relax", "relax_after_s": 0}
    )
    rng = random.Random(5)
    river = Lane(
        lambda: Mixer(MixerConfig(buffer_documents=10_000, hold=flush, linger_s=0), given, 0, 1),
        ["pool.zh", "pool.en", "pool.control"],
        MIXER.logs,
        max_chunk=10_000,
        tails=MIXER.tails,
    )
    supplies = {}
    for first, bucket in enumerate(buckets):
        made = [(rng.randint(1, 2000), rng.random()) for _ in range(150)]
        for n, (length, rank) in enumerate(made):
            one = document(1000 * first + n + 1, length, bucket)
            one.rank = rank
            river.put(f"pool.{bucket}", one)
        ranks = [Document(rank=rank).rank for _, rank in made]
        meets = {f"rank > {least}": [rank > least for rank in ranks] for least in (0.4, 0.7)}
        supplies[bucket] = Listed([length for length, _ in made], meets)
    if flush:
        river.put("pool.control", Control(flush=Flush()))
    river.run()
    mixer_did = Counter()
    for one in mixed(river):
        mixer_did[one.phase, one.bucket] += one.num_tokens
    assert mixed_in(simulate(given, supplies, flush=flush)) == +mixer_did
    assert max(one.use for one in mixed(river)) > 1


def test_a_recipe_that_relaxes_goes_on_without_a_dry_bucket_and_says_when_it_was_dry():
    supply = {"zh": 40_000, "en": 100_000, "code": 100_000}
    waiting, relaxed = (
        simulate(recipe(starvation=kind), {b: Even(n, 100) for b, n in supply.items()})
        for kind in ("wait", "relax")
    )
    assert waiting.tokens == pytest.approx(100_000, abs=300)
    assert relaxed.tokens == 240_000
    for found in (waiting, relaxed):
        at, bucket = found.first_starved
        assert bucket == "zh"
        assert at == pytest.approx(100_000, abs=300)
        [phase] = found.phases
        assert phase.buckets["zh"].epochs == 1.0
        assert phase.buckets["zh"].target == 0.4
    assert waiting.phases[0].buckets["en"].starved is None
    assert relaxed.phases[0].buckets["zh"].share == pytest.approx(40 / 240)
    assert waiting.left["en"] == 100_000 - waiting.phases[0].buckets["en"].tokens > 0


def test_every_bucket_that_is_dry_before_the_others_is_named_not_the_first_alone():
    supply = {"zh": 10_000, "en": 20_000, "code": 100_000}
    found = simulate(recipe(starvation="relax"), {b: Even(n, 100) for b, n in supply.items()})
    starved = {name: use.starved for name, use in found.phases[0].buckets.items()}
    assert starved["zh"] == pytest.approx(25_000, abs=300)
    assert starved["zh"] < starved["en"] < 60_000
    assert starved["code"] is None, "the last has nobody to wait for"


def test_where_all_is_used_up_together_no_bucket_is_starved():
    found = simulate(recipe(), {b: Even(n, 10) for b, n in {"zh": 400, "en": 400, "code": 200}.items()})
    assert found.tokens == 1000
    assert found.first_starved is None


def test_a_bucket_of_which_there_is_nothing_is_dry_from_the_beginning():
    found = simulate(recipe(), {"zh": Even(1000, 10), "en": Even(0, 10)})
    assert found.tokens == 0, "who is due first can't be told"
    assert found.first_starved == (0, "code")
    assert found.row["phases"][0]["buckets"]["code"]["epochs"] == 0


def test_json_has_these_keys_and_no_others():
    found = simulate(recipe(PHASES), {"zh": Even(10_000), "en": Even(10_000), "code": Even(5000)}).row
    assert list(found) == ["phases"]
    assert [phase["name"] for phase in found["phases"]] == list(PHASES)
    for phase in found["phases"]:
        assert list(phase) == ["name", "tokens", "buckets"]
        assert list(phase["buckets"]) == ["code", "zh", "en"]
        for use in phase["buckets"].values():
            assert list(use) == ["tokens", "share", "target", "epochs", "starved"]
    assert [phase["tokens"] for phase in found["phases"]][1:] == [0, 0]


def test_ten_billion_tokens_take_seconds_and_the_error_is_a_block():
    phases = {
        "stable": {"zh": 4, "en": 4, "code": 2, "tokens": 8_000_000_000},
        "anneal": {"code": 3, "zh": 1},
    }
    begun = time.process_time()
    supply = {"zh": 4_000_000_000, "en": 4_000_000_000, "code": 4_000_000_000}
    found = simulate(recipe(phases), {b: Even(n, 800) for b, n in supply.items()})
    assert time.process_time() - begun < 20
    assert found.block <= 12_000_000_000 / 200_000
    stable, anneal = found.phases
    assert 8_000_000_000 <= stable.tokens < 8_000_000_800
    for name, share in {"zh": 0.4, "en": 0.4, "code": 0.2}.items():
        assert abs(stable.buckets[name].tokens - share * stable.tokens) <= found.block
    for name, share in {"zh": 0.25, "code": 0.75}.items():
        assert abs(anneal.buckets[name].tokens - share * anneal.tokens) <= found.block


def test_larger_steps_differ_from_single_documents_by_a_block_at_most():
    lengths = lengths_of({"zh": 3000, "en": 3000, "code": 2000}, 1)
    exact, rough = (
        simulate(recipe(PHASES), {b: Listed(n) for b, n in lengths.items()}, flush=True, steps=steps)
        for steps in (1 << 30, 300)
    )
    assert exact.block <= 2000 < rough.block
    for one, other in zip(exact.phases, rough.phases, strict=True):
        for name, use in one.buckets.items():
            assert abs(use.tokens - other.buckets[name].tokens) <= rough.block + 2000


def test_the_windows_are_the_course_without_a_gap_and_none_spans_two_phases():
    lengths = lengths_of({"zh": 600, "en": 500, "code": 400}, 3)
    found = simulate(recipe(PHASES), {b: Listed(n) for b, n in lengths.items()}, flush=True)
    assert len(found.windows) > 20
    assert [w.start for w in found.windows] == [0, *(w.end for w in found.windows)][:-1]
    for phase in found.phases:
        tokens = Counter()
        for window in found.windows:
            if window.phase == phase.name:
                tokens.update(window.tokens)
        assert +tokens == +Counter({name: use.tokens for name, use in phase.buckets.items()})


@pytest.mark.parametrize("given", [(-1, 10), (10, 0)])
def test_a_supply_that_cannot_be_is_refused(given):
    with pytest.raises(ValueError, match="a supply has"):
        Even(*given)
