"""What should be of the job, given what is ready, how far the run is, and what the job is now.

A pure function, so that every case can be read and tried. Hysteresis: what is suspended goes on when
`resume_tokens` wait; what runs is suspended when fewer than `starve_tokens` wait, which are not more, *and*
nothing has moved for `starve_after_s`. So one part that comes or goes changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple

from pydantic import ConfigDict

_CHANGED = "another phase or other settings ask for another job"


class State(StrEnum):
    """What the job is now. LEAVING: it is being deleted, its pods may still write a checkpoint."""

    ABSENT = "absent"
    RUNNING = "running"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LEAVING = "leaving"


class Wanted(StrEnum):
    """What it should be. REPLACED: removed, and made anew once it is gone. AS_IS: nothing is done."""

    ABSENT = "absent"
    RUNNING = "running"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    AS_IS = "as_is"


class Reason(StrEnum):
    """Why, in one word, as conditions and events of Kubernetes have it. The list is closed."""

    WAITING = "WaitingForTokens"
    ENOUGH = "EnoughTokens"
    TRAINING = "Training"
    STARVED = "Starved"
    QUEUED = "LeftToKueue"
    HELD = "HeldByAnother"
    CHANGED = "PhaseOrSettingsChanged"
    FAILED = "TrainerFailed"
    GAVE_UP = "GaveUp"
    DRY = "EndedForWantOfTokens"
    LEAVING = "Leaving"
    ENDED = "RunEnded"


@dataclass(frozen=True)
class PolicyConfig:
    """Thresholds. The tokens are those that wait: in parts of the catalog, and not trained on yet.

    start_tokens: a run begins with. The default is some hours of a 1 B model on eight GPUs, so that a start,
        which costs minutes of them, is worth it.
    resume_tokens: a suspended run, or one that had ended for want of tokens, goes on with.
    starve_tokens: with fewer a running trainer may be starved; a global batch, since what is less than one
        stays over, has some millions at the most.
    starve_after_s: nothing came and nothing was trained on for so long. A part is sealed after some minutes
        at the latest (services/sink), so ten without any mean that none is on its way.
    retries: of a job that fails without coming further, retry_after_s (doubled each time, an hour at most)
        after its failure.
    keep_s: a job whose run has ended is kept so long to be looked at. It is the launcher's own, since a
        PyTorchJob with ttlSecondsAfterFinished could not be suspended until kubeflow/trainer#2243.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # it is within another

    start_tokens: int = 100_000_000
    resume_tokens: int = 20_000_000
    starve_tokens: int = 4_000_000
    starve_after_s: float = 600.0
    retries: int = 5
    retry_after_s: float = 30.0
    keep_s: float = 86_400.0

    def __post_init__(self) -> None:
        if min(self.start_tokens, self.resume_tokens, self.starve_tokens) < 1:
            raise ValueError(
                "start_, resume_ and starve_tokens are 1 at least: a job without tokens only waits"
            )
        if self.starve_tokens > self.resume_tokens:
            raise ValueError("starve_tokens above resume_tokens: what is resumed would be suspended again")
        if min(self.starve_after_s, self.retry_after_s, self.keep_s, self.retries) < 0:
            raise ValueError("times and retries are not negative")


@dataclass(frozen=True)
class Job:
    """What a backend sees.

    made: digest of the plan that it was made from; attempt, began: see Plan. over_s: seconds since it
    succeeded or failed. queued: Kueue owns its `suspend`. held: who else does. why: its last word.
    """

    state: State
    made: str = ""
    attempt: int = 0
    began: int = 0
    over_s: float = 0.0
    queued: bool = False
    held: str = ""
    why: str = ""


@dataclass(frozen=True)
class Seen:
    """All that a decision follows from.

    ready: tokens in the parts of the catalog; consumed: those trained on. quiet_s: since either changed.
    ended: the run has said so. planned: digest of the plan that holds now. remake: the job that is absent was
    removed to be made anew, so what it had to go on with is enough.
    """

    ready: int
    consumed: int
    quiet_s: float
    ended: bool
    planned: str
    job: Job
    remake: bool = False

    @property
    def waiting(self) -> int:
        """Tokens that are ready and not trained on; rewinds may bring the second above the first."""
        return max(0, self.ready - self.consumed)


class Decision(NamedTuple):
    """why: for a person, one line."""

    wanted: Wanted
    reason: Reason
    why: str


def decide(seen: Seen, config: PolicyConfig) -> Decision:
    """The whole policy."""
    if seen.job.state is State.LEAVING:
        return Decision(Wanted.AS_IS, Reason.LEAVING, "the former job ends; its pods may write a checkpoint")
    if seen.ended:
        return _ended(seen, config)
    match seen.job.state:
        case State.ABSENT:
            return _absent(seen, config)
        case State.RUNNING:
            return _running(seen, config)
        case State.SUSPENDED:
            return _suspended(seen, config)
        case State.FAILED:
            return _failed(seen, config)
        case State.SUCCEEDED:
            return _dry(seen, config)
    raise AssertionError(seen.job.state)


def retry_after_s(attempt: int, config: PolicyConfig) -> float:
    """The pause before the next try of a job of which so many have failed before."""
    return min(3600.0, config.retry_after_s * 2.0 ** min(attempt, 20))


def _ended(seen: Seen, config: PolicyConfig) -> Decision:
    job, why = seen.job, f"the run has ended after {seen.consumed:,} tokens"
    over = job.state in (State.SUCCEEDED, State.FAILED) and job.over_s >= config.keep_s
    gone = over or job.state in (State.ABSENT, State.SUSPENDED)
    return Decision(Wanted.ABSENT if gone else Wanted.AS_IS, Reason.ENDED, why)


def _absent(seen: Seen, config: PolicyConfig) -> Decision:
    if seen.remake:
        return Decision(Wanted.RUNNING, Reason.CHANGED, "the former job is gone")
    least = config.resume_tokens if seen.consumed else config.start_tokens
    if seen.waiting >= least:
        return Decision(Wanted.RUNNING, Reason.ENOUGH, _amount(seen, least))
    return Decision(Wanted.ABSENT, Reason.WAITING, _amount(seen, least))


def _running(seen: Seen, config: PolicyConfig) -> Decision:
    if seen.job.made != seen.planned:
        return Decision(Wanted.REPLACED, Reason.CHANGED, _CHANGED)
    if seen.waiting >= config.starve_tokens or seen.quiet_s < config.starve_after_s:
        return Decision(Wanted.RUNNING, Reason.TRAINING, f"{seen.consumed:,} of {seen.ready:,} tokens")
    why = f"nothing came or moved for {seen.quiet_s:.0f} s, and {_amount(seen, config.starve_tokens)}"
    return Decision(Wanted.SUSPENDED, Reason.STARVED, why)


def _suspended(seen: Seen, config: PolicyConfig) -> Decision:
    if seen.job.queued:
        return Decision(Wanted.AS_IS, Reason.QUEUED, "Kueue decides when it goes on")
    if seen.waiting < config.resume_tokens:
        return Decision(Wanted.SUSPENDED, Reason.STARVED, _amount(seen, config.resume_tokens))
    if seen.job.made != seen.planned:
        return Decision(Wanted.REPLACED, Reason.CHANGED, _CHANGED)
    return Decision(Wanted.RUNNING, Reason.ENOUGH, _amount(seen, config.resume_tokens))


def _failed(seen: Seen, config: PolicyConfig) -> Decision:
    attempt = seen.job.attempt if seen.consumed <= seen.job.began else 0  # one that came further counts anew
    if attempt >= config.retries:
        why = f"{attempt + 1} jobs failed one after another and none came further: {seen.job.why}"
        return Decision(
            Wanted.AS_IS, Reason.GAVE_UP, f"{why}; mend it and delete the job, or change a setting"
        )
    pause = retry_after_s(attempt, config)
    if seen.job.made == seen.planned and seen.job.over_s < pause:
        return Decision(Wanted.AS_IS, Reason.FAILED, f"{seen.job.why}; tried again {pause:.0f} s after that")
    return Decision(Wanted.REPLACED, Reason.FAILED, f"{seen.job.why}; from the last checkpoint again")


def _dry(seen: Seen, config: PolicyConfig) -> Decision:
    if seen.waiting >= config.resume_tokens:
        return Decision(Wanted.REPLACED, Reason.ENOUGH, _amount(seen, config.resume_tokens))
    return Decision(Wanted.AS_IS, Reason.DRY, _amount(seen, config.resume_tokens))


def _amount(seen: Seen, least: int) -> str:
    return f"{seen.waiting:,} tokens wait, {least:,} are asked for"
