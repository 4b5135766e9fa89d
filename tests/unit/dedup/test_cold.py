"""The filters of the cold tier: nothing is lost in them, and what seems to be there is as rare as is said."""

from __future__ import annotations

import numpy as np
import pytest

from services.dedup import DedupConfig
from services.dedup.cold import (
    BITS_A_KEY,
    BLOCKS,
    PAGE,
    Filter,
    Places,
    at_least,
    false_drop,
    likeness,
    needed,
    pages_for,
    places,
)
from services.dedup.plan import cold_of
from services.dedup.shingles import Words

CONFIG = DedupConfig()


def keys_of(seed: int, number: int) -> Words:
    return np.random.default_rng(seed).integers(1, 1 << 48, number, dtype=np.uint64)


def at(placed: Places, first: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Blocks, as they are numbered through all pages."""
    return (placed.pages.astype(np.int64) - first) * BLOCKS + placed.offsets // 32


def test_what_seems_to_be_there_is_as_rare_as_is_said() -> None:
    """Half full, and full; and of strangers with twelve keys, how many have enough of them."""
    pages = 1
    room = Filter(5, pages).room
    assert room == pages * PAGE * 8 // BITS_A_KEY
    blocks = np.zeros((pages * BLOCKS, 8), np.uint32)
    strangers = keys_of(2, 480_000)
    for number in (1, 2):
        own = keys_of(number * 10, room // 2)
        here = Filter(5, pages, number * (room // 2))
        entered = places(own, here)
        assert set(entered.pages.tolist()) == {5}
        np.bitwise_or.at(blocks, at(entered, 5), entered.masks)
        assert ((blocks[at(entered, 5)] & entered.masks) == entered.masks).all()
        asked = places(strangers, here)
        there = ((blocks[at(asked, 5)] & asked.masks) == asked.masks).all(axis=1)
        assert there.mean() == pytest.approx(here.seems, rel=0.25 if number == 1 else 0.05)
    hits = there.reshape(-1, 12).sum(axis=1)
    two = (hits >= 2).mean()  # four are too rare to be counted here
    assert two == pytest.approx(at_least(2, 12, here.seems), rel=0.2)
    assert Filter(0, 1, 0).seems == 0


def test_how_many_keys_are_enough() -> None:
    """As many as two at the threshold share, and never so few that strangers have them."""
    assert [needed(each, CONFIG) for each in (0.5, 0.7, 0.8, 0.9, 1.0)] == [3, 3, 4, 7, 12]
    assert needed(0.8, DedupConfig(bands=20, rows=7)) == 5
    assert needed(0.8, DedupConfig(bands=2, rows=6)) == 2
    assert likeness(12, CONFIG) == 1
    assert likeness(4, CONFIG) == pytest.approx(0.833, abs=0.001)


def test_a_false_drop_is_rarer_than_one_in_a_million() -> None:
    full = [Filter(0, 1, Filter(0, 1).room), Filter(1, 2, Filter(1, 2).room)]
    assert 1e-7 < false_drop(full[:1], 4, 1, CONFIG) < 1e-6
    assert false_drop(full, 4, 2, CONFIG) == pytest.approx(4 * false_drop(full[:1], 4, 1, CONFIG), rel=0.01)


def test_its_size_is_told_beforehand() -> None:
    made = cold_of(1e9, CONFIG)
    assert made is not None
    assert made.bytes == pytest.approx(18e9, rel=0.001)
    assert made.bytes == pages_for(12e9) * PAGE
    assert made.finds["0.95"] > 0.99 > made.finds["0.9"] > 0.95
    assert made.finds["0.6"] < 0.01
    assert cold_of(0, CONFIG) is None


@pytest.mark.parametrize(("name", "value"), [("cold_after_days", -1), ("cold_documents", 0)])
def test_wrong_settings(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        DedupConfig(**{name: value})  # type: ignore[arg-type]
