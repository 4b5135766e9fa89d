"""The fine sketch: exact near the thresholds, the same from both sides, and of texts of any two lengths."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.dedup import DedupConfig
from services.dedup.entry import PAIRS, Entry, compare, compare_each
from services.dedup.fine_sketch import CAPACITY, NONE, SIZE, estimate, fine_sketch
from services.dedup.shingles import shingles
from services.dedup.sketch import similarity, sketch
from tests.near_duplicates import prose
from tests.planted import alike, altered, entries, jaccard

CONFIG = DedupConfig()


def signed(*texts: str) -> list[Entry]:
    return entries(sketch(texts, CONFIG.bands, CONFIG.rows))


def letters(rng: random.Random, size: int) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=size))


@pytest.mark.parametrize("words", [100, 400])
def test_pairs_are_decided_within_two_hundredths(words: int) -> None:
    """One in four at 0.02 from the threshold was decided wrongly by the short sketch alone."""
    decided = {0.78: [], 0.82: []}  # type: dict[float, list[bool]]
    for wanted, found in decided.items():
        for seed in range(45):
            text = " ".join(prose(seed, words))
            other = altered(random.Random(seed), text, wanted)
            true = jaccard(text, other)
            if abs(true - wanted) < 0.02:
                found.append(alike(*signed(text, other)) + (wanted - true) >= CONFIG.threshold)
        assert len(found) > 30
    assert np.mean(decided[0.78]) <= 0.15
    assert np.mean(decided[0.82]) >= 0.85


@pytest.mark.parametrize("size", [3, 200, CAPACITY - 60, CAPACITY * 2 - 50, CAPACITY * 8 + 400])
def test_the_likeness_is_the_same_from_both_sides_also_where_one_is_sampled_more(size: int) -> None:
    """Else the verdict would follow from who came first. A tenth more crosses the bound of a level."""
    errors = []
    for seed in range(12):
        rng = random.Random(seed)
        common = letters(rng, size)
        one, other = signed(common, common + letters(rng, size // 8))
        assert alike(one, other) == alike(other, one)
        true = jaccard(common, common + letters(random.Random(seed), size // 8)) if size < 5 else 8 / 9
        errors.append(alike(one, other) - true)
    assert np.abs(np.mean(errors)) < 0.012


def test_many_are_compared_at_once_as_each_by_itself() -> None:
    """In whatever company, of whatever length: short texts, another level, more than fit at once."""
    rng = random.Random(7)
    common = letters(rng, CAPACITY * 2)
    found = signed(
        *(common[:size] + letters(rng, size // 9) for size in (9, 150, 170, 900, len(common)) * 10)
    )
    others = [{other.uid: other.pack() for other in found[: number + 1]} for number in range(len(found))]
    cases = list(zip(found, others, strict=True))
    together = list(compare_each(cases * 2))
    assert sum(map(len, others)) * 2 > PAIRS
    for (entry, known), likeness in zip(cases * 2, together, strict=True):
        alone = [compare(entry, {uid: value}) for uid, value in known.items()]
        assert likeness.similarity.tolist() == [each.similarity[0] for each in alone]
        assert likeness.threshold.tolist() == [each.threshold[0] for each in alone]
        assert [uid for uid, _ in likeness.others] == list(known)


def test_levels_that_are_no_neighbours_are_told_by_the_short_sketch() -> None:
    rng = random.Random(3)
    text = letters(rng, CAPACITY)
    one, other = signed(text, text + "ab" * CAPACITY * 3)
    assert not estimate(*(np.frombuffer(each.fine, np.uint8)[None] for each in (one, other))).known[0]
    bits = np.frombuffer(other.bits, np.uint8)[None]
    assert alike(one, other) == similarity(np.frombuffer(one.bits, np.uint8), bits)[0] > 0.9


def test_a_document_of_before_there_were_fine_sketches_is_compared_as_it_was() -> None:
    """An index that was made again from an older log has such entries, of 63 bytes there."""
    (entry,) = signed(" ".join(prose(1)))
    older = Entry.unpack(entry.uid, entry.pack()[:63])
    assert older.fine == NONE
    assert len(older.pack()) == len(entry.pack())
    assert alike(entry, older) == alike(older, entry) == alike(older, older) == 1.0


def test_what_repeats_counts_once_and_the_sketch_is_pinned() -> None:
    """An index outlives releases; and a text twice in a row has hardly a shingle more."""
    text = "the river runs on. 河水长流。"
    made = fine_sketch(shingles([text])[0])
    assert len(made) == SIZE
    assert bytes(made[:12]).hex() == "0009000b0000000000000000"
    twice = signed(text * 30, text * 31)
    assert alike(*twice) == 1.0
