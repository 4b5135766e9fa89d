"""The trainer as a process of this machine: what a job is on a cluster, `up` has beside its river.

It ends with the process that made it, whatever ends that; so nothing of it need be kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from services.launcher.cluster import Conflict
from services.launcher.config import Plan
from services.launcher.events import Course
from services.launcher.policy import Decision, Job, State
from services.local.child import Child, Program, tail
from services.local.process import Supervisor

_NAME = "trainer"
_FAILS = frozenset(
    range(1, 256)
)  # when it is tried again is the policy's to say; a kill is made good at once


class TrainerProcess:
    """A Backend. command: of a plan. log: where its output goes. say: takes each decision."""

    def __init__(
        self,
        command: Callable[[Plan], Sequence[str]],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        say: Callable[[Decision], None] = lambda _decision: None,
    ) -> None:
        self._command, self._say = command, say
        self._program = Program(_NAME, [], log, environment or {}, done=frozenset({0}), fatal=_FAILS)
        self._supervisor = Supervisor()
        self._child: Child | None = None
        self._plan: Plan | None = None
        self._over_at: float | None = None

    def look(self) -> Job:
        """See Backend."""
        if self._child is None or self._plan is None:
            return Job(State.ABSENT)
        state = self._state(self._child)
        if state in (State.SUCCEEDED, State.FAILED):
            self._over_at = self._over_at or time.monotonic()
        return Job(
            state,
            made=self._plan.digest,
            attempt=self._plan.attempt,
            began=self._plan.began,
            over_s=time.monotonic() - self._over_at if self._over_at else 0.0,
            why=(tail(self._program.log, 1) or self._child.failure or "") if state is State.FAILED else "",
        )

    def make(self, plan: Plan) -> None:
        """See Backend. Raises ConfigurationError: it cannot be started."""
        if self._child is not None:
            return
        self._plan = plan
        self._start()

    def suspend(self, suspended: bool) -> None:
        """See Backend; waits for its checkpoint."""
        if self._child is None:
            raise Conflict("there is no trainer")
        if suspended:
            self._supervisor.stop(self._child)
        elif self._child.over:
            self._start()

    def remove(self) -> None:
        """See Backend; waits for its checkpoint."""
        if self._child is not None:
            self._supervisor.stop(self._child)
        self._child = self._plan = None

    def tell(self, decision: Decision) -> None:
        """See Backend; who is told may be told twice."""
        self._say(decision)

    def report(self, course: Course) -> None:
        """See Backend: nobody else looks at it."""

    def close(self) -> None:
        """End it: SIGTERM, and time for its checkpoint."""
        self._supervisor.close()

    def _start(self) -> None:
        assert self._plan is not None
        self._over_at = None
        config = self._plan.config
        program = replace(self._program, command=list(self._command(self._plan)), grace_s=config.grace_s)
        self._child = self._supervisor.start(program)

    @staticmethod
    def _state(child: Child) -> State:
        if child.done:
            return State.SUCCEEDED
        if child.failure is not None:
            return State.FAILED
        return State.SUSPENDED if child.stopping else State.RUNNING
