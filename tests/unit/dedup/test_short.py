"""Short texts: a repost with a word more is found, other sentences stay, and the border changes nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.dedup import DedupConfig
from services.dedup.shingles import grams
from services.dedup.sketch import SHORT, shortest, sketch
from tests.near_duplicates import document, memory_judge, prose, standing, survivors
from tests.planted import found

CONFIG = DedupConfig()
SHORTEST = shortest(CONFIG.least_threshold)


def sentence(seed: int, size: int) -> str:
    """About so many characters."""
    return " ".join(prose(seed, 60))[:size].strip()


def reposted(rng: random.Random, text: str) -> str:
    """With a character less, a word more, or a head."""
    at = rng.randrange(3, len(text) - 3)
    return rng.choice([text[:at] + text[at + 1 :], f"{text[:at]} ka{text[at:]}", f"rt {text}"])


@pytest.mark.parametrize("size", [40, SHORTEST - 1, SHORTEST + 3, SHORT - 2, SHORT + 4])
def test_reposts_are_found_on_both_sides_of_the_borders(size: int) -> None:
    """By shingles alone not half of those of 40 characters were, and across a border none may be lost."""
    rng = random.Random(size)
    texts = [sentence(seed, size) for seed in range(150)]
    made = [reposted(rng, text) for text in texts]
    signed, other = (sketch(side, CONFIG.bands, CONFIG.rows) for side in (texts, made))
    assert found(signed, other, CONFIG.threshold).mean() >= 0.95
    assert (found(signed, other, CONFIG.threshold) == found(other, signed, CONFIG.threshold)).all()


def test_sentences_of_one_pattern_are_no_reposts() -> None:
    """What a pattern leaves open is what they say."""
    names = [" ".join(prose(seed, 4)) for seed in range(60)]
    batch = [document(uid, f"how do I get from {name} to the sea?") for uid, name in enumerate(names, 1)]
    judge = memory_judge()
    assert standing(zip(batch, judge(batch), strict=True)) == {each.uid for each in batch}


@pytest.mark.parametrize("seed", range(3))
def test_any_order_gives_the_survivors_of_the_rule(seed: int) -> None:
    """Texts around both borders, of which some are near by grams and some by shingles."""
    rng = random.Random(seed)
    texts = [sentence(seed * 100 + i, rng.randint(30, 200)) for i in range(25)]
    texts += [reposted(rng, rng.choice(texts)) for _ in range(60)]
    documents = [document(uid, text, rng.random()) for uid, text in enumerate(texts, 1)]
    expected = survivors(documents, CONFIG)
    assert len(expected) < 60
    for _ in range(3):
        rng.shuffle(documents)
        judge = memory_judge()
        outcomes = [pair for each in documents for pair in zip([each], judge([each]), strict=True)]
        assert standing(outcomes) == expected


def test_keys_are_of_the_kinds_that_a_length_asks_for() -> None:
    lengths = (SHORTEST, SHORTEST + 1, SHORT, SHORT + 1)
    keys = sketch([sentence(1, 300)[:n] for n in lengths], CONFIG.bands, CONFIG.rows).bands > 0
    kinds = [(row[: CONFIG.bands].all(), row[CONFIG.bands :].all(), row.any()) for row in keys]
    assert [(bool(a), bool(b)) for a, b, _ in kinds] == [
        (False, True),
        (True, True),
        (True, True),
        (True, False),
    ]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8])
def test_a_short_text_is_found_in_a_longer_one(threshold: float) -> None:
    """By shingles, which each text has that is near one beyond the border, and no other."""
    text = sentence(3, SHORT + 1)
    begins = sketch([text[:size] for size in range(30, SHORT)], CONFIG.bands, CONFIG.rows, threshold)
    sets = [{text[at : at + 5] for at in range(size - 4)} for size in (*range(30, SHORT), len(text))]
    alike = np.array([len(each) / len(sets[-1]) for each in sets[:-1]])
    has = begins.bands[:, : CONFIG.bands].any(axis=1)
    assert has[alike >= threshold].all()
    assert not has[alike < threshold - 0.2].any()


def test_grams_count_as_often_as_they_come() -> None:
    """A word said twice is not a word said once."""
    once, twice = grams("abcd"), grams("abcdabcd")
    assert len(once) == len(np.unique(once)) == 3 + 2
    assert len(np.unique(twice)) == 7 + 6
    assert set(once.tolist()) <= set(twice.tolist())
    assert len(grams("")) == len(grams("a")) == 3
