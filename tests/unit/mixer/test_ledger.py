"""The ledger: how far the mix may be off at any moment, and at which token a phase ends."""

from __future__ import annotations

import random

import pytest

from services.mixer.ledger import Ledger
from services.mixer.recipe import Recipe
from tests.unit.mixer.test_mixer import document, lane, mixed, recipe

LONGEST = 2000
MIXES = [
    {"zh": 4, "en": 4, "code": 2},
    {"zh": 7, "en": 1, "code": 2},
    {"zh": 1, "en": 1, "code": 1},
    {"zh": 98, "en": 1, "code": 1},
    {"zh": 40, "en": 30, "code": 20, "math": 10},
    dict.fromkeys("abcdefghijk", 1) | {"a": 5, "b": 2},
]
ORDERS = {
    "any": lambda lengths: lengths,
    "short first": sorted,
    "long first": lambda lengths: sorted(lengths, reverse=True),
    "short and long by turns": lambda lengths: [
        n for pair in zip(sorted(lengths), sorted(lengths, reverse=True), strict=True) for n in pair
    ][: len(lengths)],
    "all long": lambda lengths: [LONGEST] * len(lengths),
}


@pytest.mark.parametrize("weights", MIXES, ids=lambda w: ":".join(map(str, w.values())))
@pytest.mark.parametrize("order", ORDERS)
def test_no_bucket_is_ever_off_by_more_than_a_document(weights, order):
    """15,000 documents: what drifted by one in a thousand would be off by fifteen at the end."""
    buckets = dict.fromkeys(weights, "true")
    only = Recipe.model_validate({"buckets": buckets, "phases": [{"name": "only", "weights": weights}]})
    ledger = Ledger(only, 0, 1)
    rng = random.Random(order)
    lengths = {
        bucket: ORDERS[order]([rng.randint(1, LONGEST) for _ in range(15_000)])[::-1] for bucket in weights
    }
    shares = ledger.phase.shares
    taken, total = dict.fromkeys(weights, 0), 0
    ahead, behind = dict.fromkeys(weights, 0.0), dict.fromkeys(weights, 0.0)
    for _ in range(15_000):
        bucket = ledger.due({name: lengths[name][-1] for name in ledger.active})
        length = lengths[bucket].pop()
        ledger.add(bucket, length)
        taken[bucket] += length
        total += length
        for name, share in shares.items():
            off = taken[name] - share * total
            ahead[name], behind[name] = max(ahead[name], off), max(behind[name], -off)
    assert max(ahead.values()) > 0 < max(behind.values())
    assert max(*ahead.values(), *behind.values()) <= LONGEST


@pytest.mark.parametrize("seed", range(2))
def test_the_mixer_keeps_to_it_however_its_documents_arrive(seed):
    """The same of what comes out of a lane whose pools fill in bursts, one bucket long before the others."""
    rng = random.Random(seed)
    river = lane(seed=seed, max_chunk=5000, buffer_documents=3000)
    made, uid = dict.fromkeys(("zh", "en", "code"), 0), 0
    while sum(made.values()) < 60_000:
        bucket = rng.choice(list(made))
        number = rng.choice([1, 10, 3000, 9000])
        for _ in range(number):
            uid += 1
            river.put(f"pool.{bucket}", document(uid, rng.randint(1, 50), bucket))
        made[bucket] += number
        if rng.random() < 0.5:
            river.run()
    for bucket, least in {"zh": 26_000, "en": 26_000, "code": 13_000}.items():
        for _ in range(least - made[bucket]):
            uid += 1
            river.put(f"pool.{bucket}", document(uid, rng.randint(1, 50), bucket))
    river.run()
    out = [(one.bucket, one.num_tokens) for one in mixed(river)]
    assert len(out) > 50_000
    taken, total = dict.fromkeys(made, 0), 0
    for bucket, length in out:
        taken[bucket] += length
        total += length
        for name, share in {"zh": 0.4, "en": 0.4, "code": 0.2}.items():
            assert abs(taken[name] - share * total) <= 50


@pytest.mark.parametrize(
    ("budget", "lanes", "last"), [(1000, 1, 100), (1001, 1, 101), (1001, 2, 51), (999, 1, 100)]
)
def test_a_phase_ends_with_the_document_that_reaches_its_budget(budget, lanes, last):
    """Documents of 10 tokens: the `last` one belongs to the phase, the next does not."""
    ledger = Ledger(recipe({"one": {"zh": 1, "tokens": budget}, "two": {"zh": 1}}), 0, lanes)
    share = -(-budget // lanes)
    for number in range(1, last + 1):
        assert ledger.phase.name == "one"
        assert ledger.left == share - 10 * (number - 1)
        assert ledger.add("zh", 10) == (number == last)
    assert ledger.phase.name == "two"
    assert ledger.left is None


def test_after_the_last_budget_nothing_is_left():
    ledger = Ledger(recipe({"only": {"zh": 1, "tokens": 15}}), 0, 1)
    assert [ledger.add("zh", 10), ledger.add("zh", 10)] == [False, False]
    assert (ledger.left, ledger.active) == (0, ())
