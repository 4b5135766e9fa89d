"""Weighing by cluster size: `luck` and `cluster_size` in a recipe thin crowds out, and no one else."""

from __future__ import annotations

import random

import pytest

from contracts import Document
from services.mixer.condition import Condition
from services.runtime import Emit
from tests.near_duplicates import document as page
from tests.near_duplicates import memory_judge, prose
from tests.template_pages import crowd
from tests.unit.mixer.test_reuse import INPUTS, lane, order, recipe

FOUR = "!has(features.cluster_size) || luck * features.cluster_size < 4.0"
ALL = {"name": "all", "weights": {"zh": 1}}


def uids(count, seed=0):
    rng = random.Random(seed)
    return [rng.getrandbits(64) | 1 for _ in range(count)]


def expected(size, most=4):
    """Of a cluster of that size the k-th is kept with the probability min(1, most / k)."""
    return sum(min(1.0, most / k) for k in range(1, size + 1))


def member(uid, number, **fields):
    """The number-th of a cluster; of the first nothing is said."""
    features = {"cluster_size": number} if number > 1 else {}
    return Document(
        uid=uid, id=str(uid), language="zh", bucket="zh", num_tokens=10, features=features, **fields
    )


def test_luck_is_even_in_0_to_1_and_follows_from_the_uid():
    """A share by luck is that share, and the same documents each time."""
    tenth = Condition("luck < 0.1")
    kept = [uid for uid in uids(20_000) if tenth.holds(Document(uid=uid))]
    assert len(kept) == pytest.approx(2000, abs=4 * 42)  # four standard deviations
    assert all(tenth.holds(Document(uid=uid)) for uid in kept)
    inside = Condition("luck >= 0.0 && luck < 1.0")
    assert all(inside.holds(Document(uid=uid)) for uid in (1, 2**63, 2**64 - 1))
    assert Condition("luck == 0.5").holds(Document(uid=2**63))


def test_the_kth_of_a_cluster_is_kept_with_four_in_k():
    """Counted at each k over 4,000 clusters, and over whole clusters of 40."""
    four, clusters = Condition(FOUR), 4000
    drawn = iter(uids(40 * clusters, 1))
    kept = {k: sum(four.holds(member(next(drawn), k)) for _ in range(clusters)) for k in range(1, 41)}
    for k, found in kept.items():
        share = min(1.0, 4 / k)
        assert found == pytest.approx(share * clusters, abs=4 * (clusters * share * (1 - share)) ** 0.5), k
    assert sum(kept.values()) / clusters == pytest.approx(expected(40), rel=0.01)
    assert expected(40) == pytest.approx(12.8, abs=0.1)


def test_what_a_phase_spares_another_one_takes():
    """Thinned out is not dropped: the documents wait in their pool, and each is used once in the end."""
    made = [member(uid, k, cluster=9) for k, uid in enumerate(uids(300, 2), start=1)]
    kept = [one.uid for one in made if Condition(FOUR).holds(one)]
    assert 8 < len(kept) < 40
    phases = ({**ALL, "name": "thin", "where": FOUR, "tokens": 10 * len(kept)}, {**ALL, "name": "rest"})
    river = lane(recipe(*phases), seed=3)
    river.put("pool.zh", *made)
    river.run(kill_share=0.1)
    assert order(river)[: len(kept)] == kept
    assert sorted(order(river)) == sorted(one.uid for one in made)


def test_a_crowd_of_template_pages_is_no_half_of_the_mix_any_more():
    """From the text to the mix: dedup counts the crowd, the pool carries it, the recipe thins it out."""
    pages = crowd(5, 2000, 0.7, size=800).pages
    others = [page(uid, " ".join(prose(number + 10_000, 60))) for number, uid in enumerate(uids(2000, 3))]
    judge, made = memory_judge(), [*pages, *others]
    random.Random(4).shuffle(made)
    pooled = []
    for at in range(0, len(made), 500):
        pooled += [v.document for v in judge(made[at : at + 500]) if isinstance(v, Emit)]
    for one in pooled:
        one.language = one.bucket = "zh"
        one.num_tokens = 100
    crowded = {one.uid for one in pages} & {one.uid for one in pooled}
    assert len(crowded) > 1900
    shares = {}
    for name, where in {"as it came": {}, "thinned": {"where": FOUR}}.items():
        river = lane(recipe({**ALL, **where}))
        river.put(INPUTS[0], *(Document.FromString(one.SerializeToString()) for one in pooled))
        river.run()
        mixed = order(river)
        shares[name] = len(crowded & {*mixed}) / len(mixed)
        assert len({*mixed} - crowded) == len(pooled) - len(crowded), "who is alone stays"
    assert shares["as it came"] > 0.45
    # Some of the first members come before the bands know the crowd, and found clusters of their own.
    assert shares["thinned"] < 3 * expected(2000) / 2000
