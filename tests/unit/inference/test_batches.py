"""Length buckets and padding."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.inference.batches import Batch, pad, plan


def plan_of(lengths: list[int], multiple: int = 8, rows: int = 4, tokens: int = 64) -> list[Batch]:
    return plan(lengths, multiple=multiple, longest=50, max_rows=rows, max_tokens=tokens)


@pytest.mark.parametrize("seed", range(5))
def test_every_window_is_in_one_batch_within_all_bounds(seed: int) -> None:
    """A lost row is a document without a verdict; a full server refuses what is larger than it takes."""
    rng = random.Random(seed)
    lengths = [rng.randint(0, 48) for _ in range(rng.randint(1, 200))]
    batches = plan_of(lengths)
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch.rows) <= 4
        assert len(batch.rows) * batch.length <= 64
        for row in batch.rows:
            assert lengths[row] + 2 <= batch.length < lengths[row] + 2 + 8
        assert batch.length % 8 == 0 or batch.length == 50


def test_no_window_is_padded_beyond_the_model() -> None:
    """A model of 50 places has no 51st."""
    assert [batch.length for batch in plan_of([48, 47, 1], tokens=100)] == [50, 8]


def test_a_row_larger_than_the_bound_goes_alone() -> None:
    """Else nothing would ever be sent."""
    assert [len(batch.rows) for batch in plan_of([48, 48], tokens=1)] == [1, 1]


def test_the_rows_of_a_length_are_spread_evenly() -> None:
    """Four and one would take as long as three and two, but on two instances longer."""
    assert [len(batch.rows) for batch in plan_of([1] * 5, rows=4)] == [3, 2]


def test_nothing_needs_no_batch() -> None:
    """An empty batch is not sent."""
    assert plan_of([]) == []


def test_padding() -> None:
    """[CLS] text [SEP] padding, in the order of the rows, and a mask over what is not padding."""
    windows = [[7, 8, 9], [], [5]]
    ids, mask = pad(windows, Batch(np.array([2, 0, 1]), 6), cls_id=101, sep_id=102, pad_id=3)
    assert ids.dtype == mask.dtype == np.int64
    assert ids.tolist() == [[101, 5, 102, 3, 3, 3], [101, 7, 8, 9, 102, 3], [101, 102, 3, 3, 3, 3]]
    assert mask.tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]]


def test_a_row_that_fills_its_batch_has_no_padding() -> None:
    """The last place is [SEP]'s."""
    ids, mask = pad([[1, 2]], Batch(np.array([0]), 4), cls_id=101, sep_id=102, pad_id=0)
    assert ids.tolist() == [[101, 1, 2, 102]]
    assert mask.all()
