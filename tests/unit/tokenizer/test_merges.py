"""Merges of tokens: spelled as characters, learned by a trainer that knows characters only."""

from __future__ import annotations

import numpy as np
import pytest

from services.tokenizer.merges import MAX_SIZE, Merge, ids_of, learn, spell


def spelled(*words: list[int]) -> str:
    ids = np.array([index for word in words for index in word], dtype=np.uint32)
    numbers = np.array([n for n, word in enumerate(words) for _ in word], dtype=np.uint32)
    return spell(ids, numbers)


def test_every_id_has_a_character_of_its_own() -> None:
    """Ids that fall on surrogates or on the edge between words, or on one another."""
    ids = np.arange(MAX_SIZE, dtype=np.uint32)
    spelling = spell(ids, np.zeros_like(ids))
    assert len(spelling) == len(set(spelling)) == MAX_SIZE
    assert "\0" not in spelling
    assert spelling.encode().decode() == spelling
    assert ids_of(spelling) == tuple(range(MAX_SIZE))


def test_nothing_is_spelled_as_nothing() -> None:
    assert spelled() == ""
    assert ids_of("") == ()


def test_merges_come_by_frequency_and_not_across_words() -> None:
    """Tokens across words, which an engine never makes; merges in another order than an engine's."""
    texts = [spelled([5, 6, 7], [5, 6], [8, 9])] * 3 + [spelled([9], [5])] * 50
    five, six, seven = (spelled([index]) for index in (5, 6, 7))
    made = learn(texts, 10, 10, 2)
    assert made[0] == Merge(five, six)
    assert Merge(five + six, seven) in made
    assert all(spelled([9]) != left for left, _ in made)
    assert len(made) == 3


def test_ends_where_pairs_are_too_rare() -> None:
    """Tokens that no text will use again."""
    texts = [spelled([1, 2])] * 4 + [spelled([3, 4])] * 3
    assert [ids_of(left + right) for left, right in learn(texts, 5, 10, 4)] == [(1, 2)]
    assert len(learn(texts, 5, 10, 3)) == 2
    assert learn([], 5, 10, 1) == []


@pytest.mark.parametrize("size", [300, 60_000])
def test_same_merges_in_any_order(size: int) -> None:
    """Ids that depend on hashing or threads; ids above the surrogates among them."""
    chance = np.random.default_rng(5)
    texts = [
        spell(
            chance.integers(size - 20, size, 200).astype(np.uint32),
            np.sort(chance.integers(0, 40, 200)).astype(np.uint32),
        )
        for _ in range(50)
    ]
    made = learn(texts, size, 100, 2)
    assert len(made) >= 100
    assert learn(texts[::-1], size, 100, 2) == made
