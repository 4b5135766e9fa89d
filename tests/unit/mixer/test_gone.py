"""The set of documents that must not be mixed: right across merges and snapshots, and small."""

from __future__ import annotations

import random

import pytest

from contracts import Control, Flush, Forget, MixerState, Quarantine, Retraction
from services.mixer.config import MixerConfig
from services.mixer.gone import Gone, Why
from services.mixer.snapshots import Snapshots
from services.mixer.task import MIXER, Mixer
from services.runtime import ConfigurationError, ObjectStore
from tests.unit.mixer.lane import Lane
from tests.unit.mixer.test_mixer import INPUTS, document, mixed, recipe


def told(rng: random.Random) -> Control:
    uid = rng.choice([0, 1, 2**64 - 1, 2**63, rng.randrange(2**64), rng.randrange(300)])
    kind = rng.random()
    if kind < 0.05:
        return Control(quarantine=Quarantine(uid=uid, why=f"why {rng.randrange(9)}"))
    if kind < 0.1:
        return Control(forget=Forget(uid=uid, why="asked for"))
    return Control(retraction=Retraction(uid=uid, superseded_by=rng.randrange(2**64), similarity=0.5))


@pytest.mark.parametrize("seed", range(3))
def test_every_uid_is_found_with_its_first_reason_across_merges_and_snapshots(seed, monkeypatch):
    """A merge that lost or swapped entries would let superseded documents into parts."""
    monkeypatch.setattr("services.mixer.gone._MERGE_AT", 16)
    rng = random.Random(seed)
    found, retracted, by_hand = Gone(), {}, {}
    for _ in range(1000):
        one = told(rng)
        found.add(one)
        if one.HasField("retraction"):
            by = one.retraction.superseded_by
            why = Why("superseded", f"superseded by {by:016x}, similarity 0.50")
            retracted.setdefault(one.retraction.uid, why)
        elif one.HasField("quarantine"):
            by_hand.setdefault(one.quarantine.uid, Why("quarantined", one.quarantine.why))
        else:
            by_hand[one.forget.uid] = Why("forgotten", "asked for")
        if rng.random() < 0.01:
            found = Gone.restored(found.snapshot())
            assert found.unsaved == 0
    expected = retracted | by_hand
    assert len(expected) > 250
    assert {uid: found.find(uid) for uid in expected} == expected
    assert [uid for uid in range(10_000, 11_000) if found.find(uid) and uid not in expected] == []


def test_a_retraction_takes_twenty_bytes():
    found = Gone()
    for uid in range(100_000):
        found.add(Control(retraction=Retraction(uid=uid, superseded_by=uid)))
    assert 20 * 100_000 <= len(found.snapshot()) <= 20 * 100_000 + 2000


def test_what_says_nothing_of_a_document_is_passed_by():
    found = Gone()
    found.add(Control(flush=Flush()))
    found.add(Control())
    assert len(found) == 0


@pytest.mark.parametrize("damage", [b"", b"PK", lambda whole: whole[:-30], lambda whole: b"x" + whole[1:]])
def test_a_damaged_snapshot_is_refused(damage):
    found = Gone()
    found.add(Control(retraction=Retraction(uid=1)))
    whole = found.snapshot()
    with pytest.raises(ValueError, match="not a snapshot"):
        Gone.restored(damage(whole) if callable(damage) else damage)


class TestInALane:
    """With small snapshots: a lane reads the last one and what was told after it."""

    @pytest.fixture(autouse=True)
    def _often(self, monkeypatch):
        monkeypatch.setattr("services.mixer.snapshots._LEAST", 5)

    def lane(self, store, seed=0):
        def build():
            return Mixer(MixerConfig(linger_s=0), recipe(), 0, 1, snapshots=Snapshots(store, 0, "topic-id"))

        return Lane(build, INPUTS, MIXER.logs, seed, 9, MIXER.tails, since=MIXER.since)

    @pytest.mark.parametrize("seed", range(4))
    def test_under_kills_all_that_was_told_counts(self, tmp_path, seed):
        store = ObjectStore(tmp_path.as_uri())
        river, rng = self.lane(store, seed), random.Random(seed)
        gone = set()
        for uid in range(1, 200):
            if rng.random() < 0.5:
                gone.add(uid)
                river.put("pool.control", Control(retraction=Retraction(uid=uid)))
            if uid % 20 == 0:
                river.run(kill_share=0.3)
        river.put("pool.zh", *(document(uid, bucket="zh") for uid in range(1, 200)))
        river.put("pool.control", Control(flush=Flush()))
        river.run(kill_share=0.3)
        assert {d.uid for d in mixed(river)} == set(range(1, 200)) - gone
        assert {d.uid for d, _, _ in river.dropped} == gone
        [*_, state] = [value for value in river.values("pool.state") if isinstance(value, MixerState)]
        assert state.gone > 0
        assert river.num_read < sum(map(len, river.topics.values())) * river.num_kills / 3
        river.run()
        left = list(store.list("lanes/"))
        assert 1 <= len(left) <= 5, "those before the present one are removed; a kill leaves one each"

    def test_a_lost_snapshot_is_an_error_that_says_what_it_means(self, tmp_path):
        store = ObjectStore(tmp_path.as_uri())
        river = self.lane(store)
        river.put("pool.control", *(Control(retraction=Retraction(uid=uid)) for uid in range(1, 20)))
        river.put("pool.zh", document(30, bucket="zh"))
        river.run()
        [key] = store.list("lanes/")
        store.delete([key])
        with pytest.raises(ConfigurationError, match="says which documents must not be mixed"):
            river.start()


def test_another_rivers_snapshot_is_not_taken(tmp_path):
    store = ObjectStore(tmp_path.as_uri())
    one, other = Snapshots(store, 0, "a"), Snapshots(store, 0, "b")
    gone = Gone()
    gone.add(Control(retraction=Retraction(uid=1)))
    gone._saved = -100_000
    assert one.kept(gone, 0, 7)[0] == 7
    assert one.read(7).find(1) is not None
    with pytest.raises(ConfigurationError):
        other.read(7)
