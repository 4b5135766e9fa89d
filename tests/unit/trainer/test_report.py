"""The curve of a run: what its events say, without what a rewind undid."""

from __future__ import annotations

from tests.unit.trainer.objects import MemoryObjects
from trainer import report
from trainer.events import Events


def told() -> MemoryObjects:
    store = MemoryObjects()
    events = Events(store, "first")
    say = events.say
    say("start", 0)
    for step in (10, 20, 30):
        say("step", step, loss=9 - step / 10, bucket_loss={"zh": 9 - step / 10}, bucket_tokens={"zh": step})
    say("rewind", 30, checkpoint=15)
    say("step", 20, loss=6.5, bucket_loss={"zh": 6.0, "code": 7.0}, bucket_tokens={"zh": 15, "code": 5})
    say("step", 30, loss=6.0, bucket_loss={"zh": 5.5}, bucket_bits_per_byte={"zh": 1.25})
    assert events.close()
    return store


def test_a_curve_has_what_stands() -> None:
    """Prevents steps that were gone back over from showing as loss of the run."""
    found = report.curve(told(), "first")
    assert found.points == [(10, 8.0), (20, 6.5), (30, 6.0)]
    assert found.by_bucket == {"zh": [(10, 8.0), (20, 6.0), (30, 5.5)], "code": [(20, 7.0)]}
    assert found.tokens == {"zh": 15, "code": 5}
    assert report.numbers(found, {"all": 5.75, "zh": 7.0}) == [
        "bucket  tokens  first loss  last loss  unigrams  learned  bits/byte",
        "   all      20       8.000      6.000     5.750   -0.250           ",
        "  code       5       7.000      7.000                              ",
        "    zh      15       8.000      5.500     7.000   +1.500      1.250",
    ]
    assert report.curve_png(found, "first", {"zh": 7.0}).startswith(b"\x89PNG")


def test_a_point_is_the_mean_since_the_one_before() -> None:
    """Prevents the noise of a single batch from standing for how far a run is."""
    store = MemoryObjects()
    events = Events(store, "first")
    for number in range(1, 21):
        losses, tokens = {"zh": 20.0 - number, "en": 8.0}, {"zh": 30 * number, "en": 10 * number}
        events.say("step", number, loss=99.0, bucket_loss=losses, bucket_tokens=tokens)
    assert events.close()
    found = report.curve(store, "first")
    assert found.points[0] == (1, (3 * 19.0 + 8.0) / 4)
    assert "  0.500  " in report.numbers(found, {})[3]  # zh: the mean of its last two points


def test_a_run_without_events_has_an_empty_curve() -> None:
    """Prevents a traceback for a run that has not begun."""
    found = report.curve(MemoryObjects(), "first")
    assert found.points == []
    assert len(report.numbers(found, {})) == 1
    assert report.curve_png(found, "first", {}).startswith(b"\x89PNG")
