"""Whom a page of a crowd looks at, of those that it shares rare keys with."""

from __future__ import annotations

from services.dedup.met import FOUNDERS, Met, Others

CROWD = list(range(100, 100 + FOUNDERS))


def test_who_shares_most_keys_comes_first_then_who_shares_a_key_with_few():
    """A phrase that many pages use must not push out the one page that is a copy."""
    met = Met([Others([1, 2, 3]), Others([3, 4]), Others([3, 4]), Others([5])])
    assert met.likeliest(9, ()) == [3, 4, 5, 1, 2]
    assert met.likeliest(3, ()) == [3, 4, 5]
    assert met.likeliest(9, {3, 5}) == [4, 1, 2]


def test_a_crowd_under_one_key_alone_is_left_where_it_is():
    met = Met([Others(CROWD, away=1000), Others([1, CROWD[0]])])
    assert met.likeliest(99, ()) == [CROWD[0], 1]
    assert (met.most, met.missed) == (len(CROWD) + 1000, 1000)
    assert met.quiet == {1, CROWD[0]}
    assert Met().likeliest(4, ()) == []
