"""Pages of one template: none is taken for a copy by chance, and copies among them are found."""

from __future__ import annotations

import random

import numpy as np
import pytest

from contracts import DedupRecord
from services.dedup.index import FOUNDERS
from services.dedup.odd_sketch import CAPACITY, OddSketch, Shingles
from services.dedup.page import RARE, Page, pack_keys, rare_keys, unpack_keys
from services.dedup.sketch import BITS, sketch
from services.runtime import Drop, Emit, Reject
from tests.near_duplicates import chain, document, memory_judge, retractions
from tests.template_pages import crowd, jaccard, judged, words


@pytest.mark.parametrize("size", [300, 3000, 12_000, 30_000])
def test_the_long_sketch_is_as_exact_as_it_says(size: int) -> None:
    """The margin is counted in its standard errors: were they too small, pages would drop by chance."""
    rng = random.Random(size)
    errors, said = [], []
    for _ in range(30):
        common = " ".join(words(rng, int(size * 0.89)))
        a, b = (common + " ".join(words(rng, int(size * 0.11))) for _ in range(2))
        alike, error = Shingles(a).likeness([OddSketch.unpack(Shingles(b).sketch().pack())])
        errors.append((alike[0] - jaccard(a, b)) / error[0])
        said.append(error[0])
    assert abs(np.mean(errors)) < 0.8
    assert 0.4 < np.std(errors) < 1.5
    assert max(said) < 0.01


def test_texts_on_both_sides_of_the_capacity_are_compared() -> None:
    """One is sampled and the other is not: the one at hand is sampled as the other was."""
    rng = random.Random(0)
    common = "".join(rng.choices("abcdefghijklmnop", k=CAPACITY - 300))
    shorter = common + "".join(rng.choices("qrst", k=200))
    longer = common + "".join(rng.choices("uvwxyz", k=800))
    one, other = Shingles(shorter), Shingles(longer)
    assert (one.sketch().level, other.sketch().level) == (0, 1)
    for a, b in [(one, other), (other, one)]:
        alike, error = a.likeness([b.sketch()])
        assert alike[0] == pytest.approx(jaccard(shorter, longer), abs=5 * error[0])


def test_texts_of_other_sizes_are_not_alike() -> None:
    rng = random.Random(1)
    tiny, big = ("".join(rng.choices("abcdefghijklmnop", k=k)) for k in (100, 10 * CAPACITY))
    assert Shingles(tiny).likeness([Shingles(big).sketch()])[0].tolist() == [0.0]
    assert Shingles("").likeness([Shingles(tiny).sketch()])[0][0] < 0.5


def test_rare_keys_are_shared_by_copies_alone() -> None:
    """They are the only way by which copies meet whose bands are full."""
    made = crowd(3, 300, 0.7, pairs=60)
    texts = {page.uid: page.text for page in made.pages}
    sketches = sketch(list(texts.values()), 12, 6)
    around = sketches.bits[:50]
    keys = {uid: set(rare_keys(row, around)) for uid, row in zip(texts, sketches.minima, strict=True)}
    assert all(len(each) == RARE for each in keys.values())
    assert np.mean([bool(keys[a] & keys[b]) for a, b in made.twins]) >= 0.98
    loners = [uid for uid in keys if not any(uid in pair for pair in made.twins)]
    met = [len(keys[a] & keys[b]) > 0 for a in loners[:60] for b in loners[60:120]]
    assert np.mean(met) < 0.02


def test_a_page_is_packed_and_unpacked() -> None:
    page = Page(Shingles("a page of its own").sketch(), (1, 2**48 - 1))
    assert Page.unpack(page.pack()) == page
    assert unpack_keys(pack_keys([5, 2**40])).tolist() == [5, 2**40]


@pytest.mark.parametrize("alike", [0.6, 0.72, 0.78])
def test_pages_of_a_template_survive_and_copies_among_them_do_not(alike: float) -> None:
    """The short sketch alone dropped 596 of 1,000 pages of which no two were over 0.79."""
    made = crowd(1, 1000, alike, pairs=100, twin=0.885)
    texts = {page.uid: page.text for page in made.pages}
    likeness = [jaccard(texts[a], texts[b]) for a, b in made.twins]
    assert min(likeness) > 0.845
    dead = judged(memory_judge(), made.pages).dead
    twins = {uid for pair in made.twins for uid in pair}
    assert len(dead - twins) <= 0.01 * (len(made.pages) - len(twins))
    good = [
        (a in dead) + (b in dead) == 1 for (a, b), j in zip(made.twins, likeness, strict=True) if j >= 0.85
    ]
    assert len(good) > 80
    assert np.mean(good) >= 0.98


def test_what_a_crowd_misses_is_counted() -> None:
    """The bounds hide neighbours; a person must see how many."""
    made = crowd(2, 400, 0.72)
    verdicts = memory_judge()(made.pages)
    first, last = verdicts[0], verdicts[-1]
    assert isinstance(first, Emit)
    assert "dedup_crowd_missed" not in first.observed
    missed = [v.observed.get("dedup_crowd_missed", [0.0])[0] for v in verdicts if isinstance(v, Emit)]
    assert max(missed) > 100
    assert np.mean(missed[300:]) > np.mean(missed[:150])
    assert not isinstance(last, Reject)
    assert "dedup_crowd_spared" in last.observed


def test_a_page_that_is_judged_again_says_the_same_again() -> None:
    """Its rare keys stand as they were stored at first sight, though the crowd around it has grown."""
    made = crowd(4, 200, 0.72)
    judge = memory_judge()
    first = judge(made.pages[:100])
    judge(made.pages[100:])
    again = judge(made.pages[:100])
    for one, other in zip(first, again, strict=True):
        assert isinstance(one, Emit)
        assert isinstance(other, Emit)
        before, after = (next(a.value for a in v.also if a.topic == "dedup.log") for v in (one, other))
        assert isinstance(before, DedupRecord)
        assert isinstance(after, DedupRecord)
        if before.sketch:
            assert (before.sketch, before.rare) == (after.sketch, after.rare)


def test_thousands_of_copies_die_by_the_best() -> None:
    """A band keeps its best, so the one survivor is met by all, in whatever order they come."""
    (text,) = chain(5, 1, 0.0)
    for order in ("rising", "falling", "any"):
        documents = [document(uid, f"{text} {uid}", uid / 1024) for uid in range(1, 1001)]
        if order == "falling":
            documents.reverse()
        elif order == "any":
            random.Random(1).shuffle(documents)
        judge = memory_judge()
        alive: set[int] = set()
        for start in range(0, 1000, 100):
            batch = documents[start : start + 100]
            for page, verdict in zip(batch, judge(batch), strict=True):
                assert isinstance(verdict, Emit | Drop)
                if isinstance(verdict, Emit):
                    alive.add(page.uid)
                alive -= {each.uid for each in retractions(verdict)}
        assert alive == {1000}


def test_strangers_that_share_a_band_are_no_crowd() -> None:
    """Of a big English corpus many meet by a phrase; they must not pay for a long sketch."""
    rng = random.Random(3)
    phrase = " ".join(words(rng, 700))
    documents = [document(i + 1, phrase + " " + " ".join(words(rng, 1300))) for i in range(400)]
    verdicts = memory_judge()(documents)
    assert all(isinstance(verdict, Emit) for verdict in verdicts)
    sights = [a.value for v in verdicts if isinstance(v, Emit) for a in v.also if a.topic == "dedup.log"]
    assert sum(bool(sight.sketch) for sight in sights) <= 4  # type: ignore[union-attr]
    assert FOUNDERS * 6 < BITS


def test_smaller_groups_are_decided_by_one_estimate_in_any_order() -> None:
    """Below the bound a pair's verdict depends on the two alone, or two runs would keep other documents."""
    texts = [text for seed in range(10) for text in chain(seed, FOUNDERS, 0.05)]
    documents = [document(uid, text, (uid * 37 % 100) / 100) for uid, text in enumerate(texts, 1)]
    kept = set()
    for seed in range(4):
        random.Random(seed).shuffle(documents)
        kept.add(frozenset({d.uid for d in documents} - judged(memory_judge(), documents).dead))
    assert len(kept) == 1
