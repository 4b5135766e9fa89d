"""What a process has met lately."""

from __future__ import annotations

from services.dedup.recent import Recent


def test_what_is_asked_for_again_and_again_stays() -> None:
    """Prevents the best of a crowd from going with the thousands that pass by once."""
    recent: Recent[str] = Recent(10)
    recent.put(0, "the best")
    for uid in range(1, 1000):
        recent.put(uid, f"{uid} passes by")
        assert recent.get(0) == "the best"
    found, missing = recent.recall([0, 1, 999])
    assert found == {0: "the best", 999: "999 passes by"}
    assert missing == [1]


def test_it_holds_no_more_than_it_may() -> None:
    """Prevents a process that grows with the corpus."""
    recent: Recent[int] = Recent(10)
    for uid in range(1000):
        recent.put(uid, uid)
    known = [uid for uid in range(1000) if uid in recent._young or uid in recent._old]
    assert 5 <= len(known) <= 10
    recent.clear()
    assert recent.recall([999]) == ({}, [999])
