"""Packing: every token exactly once, nothing over an end, the same every time, and little padding."""

from __future__ import annotations

import time

import numpy as np
import pytest

from services.sink.packing import best_fit, concat, shuffled
from services.sink.strategies import STRATEGIES, Window

SIZES = {
    "short": lambda rng, n: rng.integers(1, 60, n),
    "around the sequence": lambda rng, n: rng.integers(1, 200, n),
    "long": lambda rng, n: rng.integers(1, 2000, n),
    "lognormal": lambda rng, n: np.maximum(1, rng.lognormal(4, 1.5, n)).astype(int),
    "exactly full": lambda rng, n: np.full(n, 64),
    "one": lambda rng, n: np.ones(n, int),
    "multiples": lambda rng, n: rng.integers(1, 5, n) * 64,
}


def packed(strategy, lengths, sequence_length, seed=0):
    """By a strategy, documents of few tokens so that some are alike; some are of one thread, some copies."""
    rng = np.random.default_rng(seed)
    tokens = [rng.integers(0, 50, size) for size in lengths]
    threads = [["", "", "a", "b"][at] for at in rng.integers(0, 4, len(lengths))]
    copies = rng.integers(0, 20, len(lengths)).tolist()
    return STRATEGIES[strategy](Window(tokens, threads, copies), sequence_length)


def check(lengths, layout, sequence_length):
    """The invariants of every strategy, by marking each token's place."""
    place = np.full(layout.num_sequences * sequence_length, -1)
    covered = [0] * len(lengths)
    pieces = [*zip(layout.document, layout.start, layout.length, layout.sequence, layout.offset, strict=True)]
    assert pieces == sorted(pieces)
    for document, start, length, sequence, offset in pieces:
        assert length > 0
        assert start == covered[document], "pieces follow each other"
        covered[document] += length
        assert offset >= 0
        assert offset + length <= sequence_length, "no piece goes over the end of its sequence"
        where = place[sequence * sequence_length + offset :][:length]
        assert (where == -1).all(), "no two tokens in one place"
        where[:] = document
    assert covered == list(lengths), "every token once"
    rows = place.reshape(-1, sequence_length)
    used = rows >= 0
    assert used[:, 0].all(), "no sequence is empty, and each is filled from its start"
    assert (np.diff(used.astype(int), axis=1) <= 0).all(), "padding only at the ends"
    return place


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("sizes", SIZES)
def test_every_token_has_one_place(strategy, sizes):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        lengths = SIZES[sizes](rng, int(rng.integers(1, 300)))
        layout = packed(strategy, lengths, 64, seed)
        check(lengths, layout, 64)
        check(lengths, shuffled(layout, str(seed)), 64)
        again = packed(strategy, lengths.tolist(), 64, seed)
        for name in ("document", "start", "length", "sequence", "offset"):
            assert np.array_equal(getattr(layout, name), getattr(again, name))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_small_cases(strategy):
    assert packed(strategy, [], 8).num_sequences == 0
    assert packed(strategy, [3, 2], 1).num_sequences == 5
    for lengths in ([0], [3, 0]):
        with pytest.raises(ValueError, match="at least one token"):
            packed(strategy, lengths, 8)
    with pytest.raises(ValueError, match="at least one token"):
        packed(strategy, [1], 0)


def test_concat_leaves_padding_at_the_end_of_the_part_only():
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 300, 500)
    layout = concat(lengths, 64)
    place = check(lengths, layout, 64)
    assert np.flatnonzero(place == -1).tolist() == list(range(lengths.sum(), len(place)))


def test_best_fit_cuts_only_what_is_longer_than_a_sequence():
    """Cutting documents that would fit is the truncation that best-fit packing is there to avoid."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(1, 300, 1000)
    layout = best_fit(lengths, 64)
    pieces = np.bincount(layout.document, minlength=len(lengths))
    assert np.array_equal(pieces, -(-lengths // 64))


def test_best_fit_takes_the_fullest_sequence_that_holds_the_piece():
    """First-fit or worst-fit would leave 30 without its exact gap."""
    layout = best_fit([60, 70, 30, 40], 100)
    assert layout.num_sequences == 2
    assert layout.sequence.tolist() == [0, 1, 1, 0]
    assert layout.offset.tolist() == [0, 0, 70, 60]


def test_best_fit_keeps_the_order_of_the_lane():
    """Sequences sorted by size would feed the model all books first and all chats last."""
    rng = np.random.default_rng(4)
    lengths = np.maximum(1, rng.lognormal(5, 1.2, 5000)).astype(int)
    layout = best_fit(lengths, 2048)
    first = np.full(layout.num_sequences, len(lengths))
    np.minimum.at(first, layout.sequence, layout.document)
    assert (np.diff(first) >= 0).all()
    half = layout.sequence < layout.num_sequences // 2
    assert layout.document[half].mean() < layout.document[~half].mean()


def test_shuffled_changes_the_order_of_sequences_and_nothing_else():
    """Prevents documents that came together from being read together, and a replay with other bytes."""
    layout = best_fit(np.random.default_rng(7).integers(1, 300, 500), 64)
    found = shuffled(layout, "lane-000/part-000")
    for name in ("document", "start", "length", "offset"):
        assert np.array_equal(getattr(found, name), getattr(layout, name))
    moved = dict(zip(layout.sequence.tolist(), found.sequence.tolist(), strict=True))
    assert sorted(moved.values()) == list(range(layout.num_sequences))
    steps = np.abs(np.diff([moved[at] for at in range(layout.num_sequences)]))
    assert steps.mean() > layout.num_sequences / 5, "neighbours lie apart: a third of all, by chance"
    assert np.array_equal(found.sequence, shuffled(layout, "lane-000/part-000").sequence)
    assert not np.array_equal(found.sequence, shuffled(layout, "lane-000/part-001").sequence)
    assert shuffled(best_fit([], 64), "none").num_sequences == 0


def test_the_order_of_a_shuffled_part_is_the_same_in_every_release():
    """Prevents another numpy from writing another part in its place: a part is named and hashed once."""
    layout = best_fit([64] * 10, 64)
    assert shuffled(layout, "lane-000/part-000").sequence.tolist() == [4, 3, 9, 8, 2, 1, 5, 0, 7, 6]


def test_best_fit_pads_little():
    """An upper bound that a wrong fit would break; the optimum is 0."""
    rng = np.random.default_rng(5)
    lengths = np.maximum(1, rng.lognormal(6, 1, 7000)).astype(int)
    layout = best_fit(lengths, 2048)
    assert lengths.sum() / (layout.num_sequences * 2048) > 0.995


def test_100_000_pieces_take_less_than_a_second():
    rng = np.random.default_rng(6)
    lengths = np.maximum(1, rng.lognormal(6, 1, 100_000)).astype(int)
    start = time.process_time()
    best_fit(lengths, 2048)
    assert time.process_time() - start < 1
