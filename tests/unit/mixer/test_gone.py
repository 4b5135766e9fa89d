"""The set of superseded documents: right across merges, and small."""

from __future__ import annotations

import random

from contracts import Retraction
from services.mixer.retractions import Retractions, Superseded


def test_every_uid_is_found_with_its_first_retraction_across_merges():
    """A merge that lost or swapped entries would let superseded documents into parts."""
    rng = random.Random(3)
    found = Retractions(merge_at=16)
    expected: dict[int, Superseded] = {}
    for _ in range(1000):
        uid = rng.choice([0, 1, 2**64 - 1, 2**63, rng.randrange(2**64), rng.randrange(300)])
        told = Superseded(rng.randrange(2**64), rng.randrange(8) / 8)
        found.add(Retraction(uid=uid, superseded_by=told.by, similarity=told.similarity))
        expected.setdefault(uid, told)
    assert len(expected) > 250
    assert {uid: found.find(uid) for uid in expected} == expected
    assert [uid for uid in range(10_000, 11_000) if found.find(uid) and uid not in expected] == []


def test_an_entry_takes_twenty_bytes():
    found = Retractions(merge_at=1000)
    for uid in range(10_000):
        found.add(Retraction(uid=uid, superseded_by=uid))
    assert found._uids.nbytes + found._by.nbytes + found._similarity.nbytes == 20 * 10_000
    assert not found._recent
