"""What PyTorchJob and TrainJob have in common: one custom object, made, suspended and deleted by apply.

`suspend` has a manager of its own (corpusworks-launcher-suspend), which applies that field alone and only
where no queue of Kueue's is named. Would the manager that made the job own it, the next apply without it
would remove the field, and with it the suspension that Kueue or a person meant.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from services.launcher import manifest
from services.launcher.cluster import MANAGER, Cluster, Conflict, Held, Kind, Object
from services.launcher.config import Plan
from services.launcher.events import Course
from services.launcher.policy import Decision, Job, Reason, State, Wanted
from services.runtime import ConfigurationError

SUSPENDER = MANAGER + "-suspend"
CONDITION = "TokensReady"  # on the job: whether it has enough to train on, by the launcher
_ALARMING = (Reason.FAILED, Reason.GAVE_UP, Reason.STARVED, Reason.HELD)


class CustomJob(ABC):
    """A Backend by one kind of custom object; the kinds fill in what differs."""

    kind: ClassVar[Kind]
    failed: ClassVar[str] = "Failed"
    succeeded: ClassVar[str]

    def __init__(self, cluster: Cluster, run: str) -> None:
        self._cluster = cluster
        self._run = run

    @abstractmethod
    def spec(self, plan: Plan) -> dict[str, Any]:
        """The whole spec, but for `suspend`."""

    @abstractmethod
    def suspension(self, suspended: bool) -> dict[str, Any]:
        """The spec that says that alone."""

    @abstractmethod
    def suspended(self, spec: Mapping[str, Any]) -> bool:
        """Whether a spec says so."""

    def look(self) -> Job:
        """See Backend. Raises ConfigurationError: the name is another's."""
        found = self._cluster.get(self.kind, self._run)
        if found is None:
            return Job(State.ABSENT)
        about = found["metadata"]
        if about.get("labels", {}).get(manifest.MANAGED_BY) != manifest.OURS:
            raise ConfigurationError(
                f"{self.kind.name} {self._run} in {self._cluster.namespace} was not made by a launcher: "
                "remove it, or give this run another name"
            )
        notes = about.get("annotations", {})
        state, word = self._state(found)
        return Job(
            state,
            made=notes.get(manifest.MADE, ""),
            attempt=_number(notes.get(manifest.ATTEMPT)),
            began=_number(notes.get(manifest.BEGAN)),
            over_s=_age_s(word.get("lastTransitionTime")) if word else 0.0,
            queued=manifest.QUEUE in about.get("labels", {}),
            why=word.get("message", ""),
        )

    def make(self, plan: Plan) -> None:
        """See Backend."""
        manifest.check(plan)
        fields = {"metadata": manifest.metadata(plan), "spec": self.spec(plan)}
        self._cluster.apply(self.kind, self._run, fields)

    def suspend(self, suspended: bool) -> None:
        """See Backend. Raises Held."""
        found = self._found()
        if manifest.QUEUE in found["metadata"].get("labels", {}):
            raise Held("Kueue")
        # Both: the label may come between, and so may another job of this name.
        same = {name: found["metadata"][name] for name in ("resourceVersion", "uid")}
        self._cluster.apply(
            self.kind, self._run, {"metadata": same, "spec": self.suspension(suspended)}, SUSPENDER
        )

    def remove(self) -> None:
        """See Backend."""
        found = self._cluster.get(self.kind, self._run)
        if found is not None:
            self._cluster.delete(self.kind, self._run, found["metadata"]["uid"])

    def tell(self, decision: Decision) -> None:
        """See Backend: a condition of the job, and an event about it."""
        found = self._cluster.get(self.kind, self._run)
        if found is None or decision.reason is Reason.LEAVING:
            return
        conditions = found.get("status", {}).get("conditions", [])
        if any(c["type"] == CONDITION and c["reason"] == decision.reason for c in conditions):
            return
        others = [c for c in conditions if c["type"] != CONDITION]
        self._cluster.set_status(
            self.kind,
            self._run,
            {
                "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
                "status": {"conditions": [*others, self._condition(decision, found)]},
            },
        )
        self._cluster.tell(_event(self.kind, found, decision))

    def report(self, course: Course) -> None:  # noqa: B027 - for kinds that have a place for it
        """See Backend: this kind has none."""

    def _state(self, found: Object) -> tuple[State, Mapping[str, Any]]:
        """And the condition that says it is over, where one does."""
        if found["metadata"].get("deletionTimestamp"):
            return State.LEAVING, {}
        conditions = found.get("status", {}).get("conditions", [])
        true = {c["type"]: c for c in conditions if c["status"] == "True"}
        for name, state in ((self.succeeded, State.SUCCEEDED), (self.failed, State.FAILED)):
            if name in true:
                return state, true[name]
        return State.SUSPENDED if self.suspended(found["spec"]) else State.RUNNING, {}

    def _condition(self, decision: Decision, _found: Object) -> dict[str, Any]:
        ready = decision.reason in (Reason.ENOUGH, Reason.TRAINING, Reason.CHANGED)
        return {
            "type": CONDITION,
            "status": "True" if ready else "False",
            "reason": decision.reason.value,
            "message": decision.why,
            "lastTransitionTime": now(),
        }

    def _found(self) -> Object:
        found = self._cluster.get(self.kind, self._run)
        if found is None:
            raise Conflict(f"{self.kind.name} {self._run} is gone")
        return found


def _event(kind: Kind, found: Object, decision: Decision) -> dict[str, Any]:
    about = found["metadata"]
    alarming = decision.reason in _ALARMING or decision.wanted is Wanted.SUSPENDED
    return {
        "metadata": {"generateName": f"{about['name']}-"},
        "involvedObject": {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            **{name: about[name] for name in ("name", "namespace", "uid")},
        },
        "type": "Warning" if alarming else "Normal",
        "reason": decision.reason.value,
        "message": decision.why[:1000],
        "source": {"component": MANAGER},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "count": 1,
    }


def now() -> str:
    """As Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _age_s(said: str | None) -> float:
    if not said:
        return 0.0
    return max(0.0, time.time() - datetime.fromisoformat(said).timestamp())


def _number(said: str | None) -> int:
    return int(said) if said and said.isdecimal() else 0
