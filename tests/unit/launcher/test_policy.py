"""What should be of the job: every case."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from services.launcher.policy import (
    Decision,
    Job,
    PolicyConfig,
    Reason,
    Seen,
    State,
    Wanted,
    decide,
    retry_after_s,
)

CONFIG = PolicyConfig(
    start_tokens=1000,
    resume_tokens=100,
    starve_tokens=40,
    starve_after_s=60,
    retries=2,
    retry_after_s=10,
    keep_s=50,
)
MADE, OTHER = "made", "other"


def seen(state: State = State.ABSENT, ready: int = 0, consumed: int = 0, quiet_s: float = 0.0, *,
         ended: bool = False, planned: str = MADE, remake: bool = False, **job: object) -> Seen:  # fmt: skip
    made = "" if state is State.ABSENT else MADE
    return Seen(ready, consumed, quiet_s, ended, planned, Job(state, **{"made": made} | job), remake)  # type: ignore[arg-type]


CASES = [
    # a run begins when enough is ready, and goes on with less
    (seen(ready=999), Wanted.ABSENT, Reason.WAITING),
    (seen(ready=1000), Wanted.RUNNING, Reason.ENOUGH),
    (seen(ready=600, consumed=501), Wanted.ABSENT, Reason.WAITING),
    (seen(ready=600, consumed=500), Wanted.RUNNING, Reason.ENOUGH),
    (seen(ready=600, consumed=600, remake=True), Wanted.RUNNING, Reason.CHANGED),
    # it runs while it has something, or something moves
    (seen(State.RUNNING, 600, 500, quiet_s=1e6), Wanted.RUNNING, Reason.TRAINING),
    (seen(State.RUNNING, 600, 600, quiet_s=59), Wanted.RUNNING, Reason.TRAINING),
    (seen(State.RUNNING, 600, 561, quiet_s=60), Wanted.SUSPENDED, Reason.STARVED),
    (seen(State.RUNNING, 600, 560, quiet_s=1e6), Wanted.RUNNING, Reason.TRAINING),  # it only begins slowly
    (seen(State.RUNNING, 600, 700, quiet_s=60), Wanted.SUSPENDED, Reason.STARVED),  # rewound, counted twice
    (seen(State.SUSPENDED, 600, 501), Wanted.SUSPENDED, Reason.STARVED),
    (seen(State.SUSPENDED, 600, 500), Wanted.RUNNING, Reason.ENOUGH),
    # another phase or other settings
    (seen(State.RUNNING, 600, 500, planned=OTHER), Wanted.REPLACED, Reason.CHANGED),
    (seen(State.RUNNING, 600, 600, quiet_s=60, planned=OTHER), Wanted.REPLACED, Reason.CHANGED),
    (seen(State.SUSPENDED, 600, 501, planned=OTHER), Wanted.SUSPENDED, Reason.STARVED),
    (seen(State.SUSPENDED, 600, 500, planned=OTHER), Wanted.REPLACED, Reason.CHANGED),
    # Kueue decides
    (seen(State.SUSPENDED, 600, 0, queued=True), Wanted.AS_IS, Reason.QUEUED),
    # it failed: again after a pause that doubles, as often as it may, unless it came further or is another
    (seen(State.FAILED, 600, 500, began=500, over_s=9), Wanted.AS_IS, Reason.FAILED),
    (seen(State.FAILED, 600, 500, began=500, over_s=10), Wanted.REPLACED, Reason.FAILED),
    (seen(State.FAILED, 600, 500, began=500, attempt=1, over_s=19), Wanted.AS_IS, Reason.FAILED),
    (seen(State.FAILED, 600, 500, began=500, attempt=1, over_s=20), Wanted.REPLACED, Reason.FAILED),
    (seen(State.FAILED, 600, 500, began=500, attempt=2, over_s=1e6), Wanted.AS_IS, Reason.GAVE_UP),
    (seen(State.FAILED, 600, 501, began=500, attempt=2, over_s=10), Wanted.REPLACED, Reason.FAILED),
    (seen(State.FAILED, 600, 500, began=500, over_s=0, planned=OTHER), Wanted.REPLACED, Reason.FAILED),
    # it ended, and the run did not: it had waited for parts for as long as it may
    (seen(State.SUCCEEDED, 600, 501), Wanted.AS_IS, Reason.DRY),
    (seen(State.SUCCEEDED, 600, 500), Wanted.REPLACED, Reason.ENOUGH),
    # the run has ended
    (seen(State.SUCCEEDED, 600, 0, ended=True, over_s=49), Wanted.AS_IS, Reason.ENDED),
    (seen(State.SUCCEEDED, 600, 0, ended=True, over_s=50), Wanted.ABSENT, Reason.ENDED),
    (seen(State.RUNNING, 600, 600, quiet_s=1e6, ended=True), Wanted.AS_IS, Reason.ENDED),
    (seen(State.SUSPENDED, 600, 0, ended=True), Wanted.ABSENT, Reason.ENDED),
    (seen(State.ABSENT, 10**9, 0, ended=True), Wanted.ABSENT, Reason.ENDED),
    (seen(State.LEAVING, 10**9, 0), Wanted.AS_IS, Reason.LEAVING),
]  # fmt: skip


@pytest.mark.parametrize(("given", "wanted", "reason"), CASES)
def test_each_case(given: Seen, wanted: Wanted, reason: Reason) -> None:
    found = decide(given, CONFIG)
    assert found[:2] == (wanted, reason)
    assert found.why
    assert "\n" not in found.why


def everything() -> list[Seen]:
    flags = (False, True)
    return [
        seen(state, 600, consumed, quiet, ended=ended, planned=planned, remake=remake,
             queued=queued, attempt=attempt, over_s=over, began=500)
        for state, consumed, quiet, ended, planned, remake, queued, attempt, over in product(
            State, (0, 500, 501, 560, 561, 700), (0, 60), flags, (MADE, OTHER), flags, flags, (0, 2), (0, 1e6)
        )
    ]  # fmt: skip


def test_what_never_happens() -> None:
    """Prevents, over all combinations: two jobs, a suspension against Kueue, a run begun again."""
    reasons = set()
    for given in everything():
        found = decide(given, CONFIG)
        state = given.job.state
        reasons.add(found.reason)
        if found.wanted is Wanted.RUNNING:
            assert state in (State.ABSENT, State.SUSPENDED, State.RUNNING)
        if found.wanted is Wanted.SUSPENDED:
            assert state in (State.RUNNING, State.SUSPENDED)
            assert given.waiting < CONFIG.resume_tokens
            assert state is State.SUSPENDED or given.waiting < CONFIG.starve_tokens
        if found.wanted is Wanted.REPLACED:
            assert state not in (State.ABSENT, State.LEAVING)
        if state is State.LEAVING:
            assert found.wanted is Wanted.AS_IS
        if given.ended:
            assert found.wanted in (Wanted.AS_IS, Wanted.ABSENT)
        if state is State.SUSPENDED and given.job.queued and not given.ended:
            assert found.wanted is Wanted.AS_IS
    assert reasons == set(Reason) - {Reason.HELD}, "a reason that nothing gives"


def test_it_does_not_swing() -> None:
    """Prevents: a job suspended and resumed for ever, since each decision undoes the one before."""
    for given in everything():
        if given.job.state in (State.RUNNING, State.SUSPENDED) and given.planned == MADE:
            first = decide(given, CONFIG)
            after = {Wanted.RUNNING: State.RUNNING, Wanted.SUSPENDED: State.SUSPENDED}.get(first.wanted)
            if after is not None:
                again = decide(replace(given, job=replace(given.job, state=after), quiet_s=0.0), CONFIG)
                assert again.wanted in (first.wanted, Wanted.AS_IS)


def test_one_part_more_or_less_changes_nothing() -> None:
    """Prevents: a start for each part that comes. Below the mark what runs runs on."""
    for waiting in (0, 99):
        running = decide(seen(State.RUNNING, 600, 600 - waiting, quiet_s=59), CONFIG)
        waits = decide(seen(State.SUSPENDED, 600, 600 - waiting), CONFIG)
        assert (running.wanted, waits.wanted) == (Wanted.RUNNING, Wanted.SUSPENDED)


def test_pauses_double_up_to_an_hour() -> None:
    assert [retry_after_s(n, CONFIG) for n in (0, 1, 2, 30)] == [10, 20, 40, 3600]


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_tokens": 0},
        {"resume_tokens": 0},
        {"starve_tokens": 0},
        {"resume_tokens": 5},
        {"retries": -1},
        {"keep_s": -1.0},
    ],
)
def test_thresholds_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least|not negative|above resume_tokens"):
        PolicyConfig(**wrong)  # type: ignore[arg-type]


def test_a_decision_is_for_reading() -> None:
    assert decide(seen(ready=1), CONFIG) == Decision(
        Wanted.ABSENT, Reason.WAITING, "1 tokens wait, 1,000 are asked for"
    )
