"""The loop's body: look at the store and the job, decide, do one thing, say why.

Every turn begins from what stands, so a launcher that dies anywhere is followed by one that goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from contracts import TrainEvent
from services.launcher.backends import Backend
from services.launcher.cluster import Conflict, Held
from services.launcher.config import LauncherConfig, Plan, of_phase
from services.launcher.events import Course, keep_course, load_course, segment
from services.launcher.former import Former, forget_former, keep_former, load_former
from services.launcher.policy import Decision, Job, Reason, Seen, State, Wanted, decide
from services.launcher.supply import Supply
from services.runtime import ObjectStore, metrics
from services.runtime.logs import log

Forwarder = Callable[[Iterable[TrainEvent]], None]


class Control:
    """Of one run.

    url: of the store, as the trainer is told it. forward: hands events on to Kafka, `topic` is its id there;
    events that were handed on to another are handed on again. permit: called before each write; it does not
    return when this process must not write any more. clock: seconds, only differences count.
    """

    def __init__(
        self,
        config: LauncherConfig,
        store: ObjectStore,
        url: str,
        backend: Backend,
        *,
        forward: Forwarder = lambda _events: None,
        topic: str = "",
        permit: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises DependencyDown, CorpusworksError: the store, or what is in it."""
        self._config, self._store, self._url, self._backend = config, store, url, backend
        self._forward, self._permit, self._clock = forward, permit, clock
        found = load_course(store, config.run)
        self.course = found if found.topic == topic else Course(topic=topic)
        self.supply = Supply(store)
        self._moved = clock()
        self._former = load_former(store, config.run)

    def turn(self) -> Decision:
        """Once round. Raises DependencyDown, other CorpusworksErrors of store, Kafka and cluster."""
        self.follow()
        job = self._backend.look()
        plan = self._plan()
        quiet_s = self._clock() - self._moved
        seen = Seen(
            self.supply.ready,
            self.supply.consumed,
            quiet_s,
            bool(self.course.ended),
            plan.digest,
            job,
            remake=self._former is not None,
        )
        decision = decide(seen, self._config.policy)
        self._show(seen)
        try:
            decision = self._do(decision, job, plan)
            self._permit()
            self._backend.tell(decision)
            self._backend.report(self.course)
        except Conflict as error:
            log.info("the job has changed meanwhile", error=str(error))
        return decision

    def follow(self) -> None:
        """Read what is new in the store, and hand it on."""
        if self.supply.follow():
            self._moved = self._clock()
        while events := segment(self._store, self._config.run, self.course.next):
            self._permit()
            self._forward(events)
            for event in events:
                self.course = self.course.after(event)
            keep_course(self._store, self._config.run, self.course)
            self._moved = self._clock()
        if self.course.parts:
            self.supply.reach(self.course.parts)
        else:  # a trainer that does not name them
            self.supply.advance(self.course.tokens)

    def _plan(self) -> Plan:
        """The job as it would be made now. A try counts after one that failed and came no further."""
        attempt = self._former.next_attempt(self.supply.consumed) if self._former else 0
        config = of_phase(self._config, self.supply.phase)
        return Plan(config, self._url, attempt, self.supply.consumed)

    def _do(self, decision: Decision, job: Job, plan: Plan) -> Decision:
        """One step towards what is wanted; what came of it. Raises Conflict."""
        match decision.wanted, job.state:
            case Wanted.RUNNING, State.ABSENT:
                self._act("made", decision)
                self._backend.make(plan)
                self._forget()
                self._moved = self._clock()
            case Wanted.RUNNING, State.SUSPENDED:
                return self._suspend(job, decision, suspended=False)
            case Wanted.SUSPENDED, State.RUNNING:
                return self._suspend(job, decision, suspended=True)
            case (Wanted.REPLACED, _) | (Wanted.ABSENT, State.SUSPENDED | State.SUCCEEDED | State.FAILED):
                self._act("removed", decision)
                if decision.wanted is Wanted.REPLACED:  # before it is gone: whoever leads then makes it anew
                    self._former = Former(job.state is State.FAILED, job.attempt, job.began)
                    keep_former(self._store, self._config.run, self._former)
                else:
                    self._forget()
                self._backend.tell(decision)
                self._backend.remove()
            case Wanted.RUNNING | Wanted.SUSPENDED, State.RUNNING | State.SUSPENDED:
                self._forget()  # its successor was made, by a launcher that ended before it forgot this
        return decision

    def _forget(self) -> None:
        if self._former is not None:
            self._permit()
            forget_former(self._store, self._config.run)
            self._former = None

    def _suspend(self, job: Job, decision: Decision, *, suspended: bool) -> Decision:
        """Unless somebody else has said otherwise, whose word stands."""
        if job.queued:
            return Decision(Wanted.AS_IS, Reason.QUEUED, f"{decision.why}; but Kueue decides whether it runs")
        self._permit()
        try:
            self._backend.suspend(suspended)
        except Held as error:
            return Decision(
                Wanted.AS_IS,
                Reason.HELD,
                f"{decision.why}; but `suspend` is another's ({error}): remove the field to give it back",
            )
        log.info("suspended" if suspended else "resumed", run=self._config.run, why=decision.why)
        metrics.LAUNCHER_ACTIONS.labels("suspended" if suspended else "resumed", decision.reason.value).inc()
        self._moved = self._clock()
        return decision

    def _act(self, action: str, decision: Decision) -> None:
        self._permit()
        log.info(action, run=self._config.run, reason=decision.reason.value, why=decision.why)
        metrics.LAUNCHER_ACTIONS.labels(action, decision.reason.value).inc()

    def _show(self, seen: Seen) -> None:
        metrics.LAUNCHER_TOKENS.labels("ready").set(seen.ready)
        metrics.LAUNCHER_TOKENS.labels("consumed").set(seen.consumed)
        for state in State:
            metrics.LAUNCHER_JOB.labels(state.value).set(state is seen.job.state)
