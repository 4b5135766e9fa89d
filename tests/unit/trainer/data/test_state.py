"""What a checkpoint keeps of the data."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest

from trainer.data.order import Start
from trainer.data.state import MAX_RANGES, DataState, merged
from trainer.errors import DataError


def held(ranges) -> set[int]:
    return {index for start, end in ranges for index in range(start, end)}


def test_state_comes_back_as_it_was() -> None:
    state = DataState(700, ((3, 5), (700, 710)), Start(7, 650, "lane-000/part-000"), 12, "ab12")
    assert DataState.from_json(state.to_json()) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"index": "x"}',
        DataState(5).to_json().replace("[0,0", "[0,9"),
        DataState(5, ((1, 2),)).to_json().replace("[1,", "[-1,"),
    ],
)
def test_state_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        DataState.from_json(text)


def test_ranges_are_merged_whatever_their_order() -> None:
    rng = random.Random(1)
    for _ in range(200):
        ranges = [(a := rng.randrange(60), a + rng.randrange(8)) for _ in range(12)]
        found = merged(ranges)
        assert held(found) == held(ranges)
        assert all(one[1] < other[0] for one, other in pairwise(found))


def test_next_samples_are_those_that_are_not_skipped() -> None:
    rng = random.Random(2)
    for _ in range(200):
        state = DataState(rng.randrange(40)).skipping(
            (a := rng.randrange(60), a + rng.randrange(8)) for _ in range(9)
        )
        wanted = [i for i in range(state.index, 500) if i not in held(state.skipped)]
        assert state.take(10) == wanted[:10]


def test_state_stays_small_and_a_skipped_sample_never_comes_back() -> None:
    """Prevents a checkpoint that grows with the spikes of a long run."""
    index = 999_999_000_000
    name = "lane-000/part-000-0a1b2c3d-000000000000-000000000999"
    state = DataState(index, (), Start(10**8, index - 5, name), 10**9, "ab" * 32)
    ahead = [(at, at + 1) for at in range(index, index + 2000, 2)]
    state = state.skipping([(at, at + 1) for at in range(index - 4000, index, 2)])
    assert state.skipped[-1] == (index - 2, index - 1), "of those behind the newest stay"
    state = state.skipping(ahead)
    assert len(state.skipped) <= MAX_RANGES
    assert len(state.to_json()) < 4096
    assert held(ahead) <= held(state.skipped)
    assert DataState.from_json(json.dumps(json.loads(state.to_json()))) == state


def test_skips_outlive_the_way_back_to_an_older_checkpoint() -> None:
    """Prevents the samples of an earlier spike from being given again after a second one."""
    older = DataState(100)
    now = DataState(100).skipping([(120, 124)])  # after the first spike
    newer = DataState(150, now.skipped)  # a checkpoint that has them behind it
    again = older.skipping(DataState.from_json(newer.to_json()).skipped)
    assert not {120, 121, 122, 123} & set(again.take(100))
