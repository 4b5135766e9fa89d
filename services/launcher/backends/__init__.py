"""What carries a decision out: a job of Kubernetes, or a process of this machine, under one contract."""

from __future__ import annotations

from typing import Protocol

from services.launcher.config import Plan
from services.launcher.events import Course
from services.launcher.policy import Decision, Job


class Backend(Protocol):
    """One job of one name: there are never two. Each method may raise Conflict and DependencyDown.

    Whoever calls looks first; what is told in between by somebody else ends in Conflict and another look.
    """

    def look(self) -> Job:
        """What the job is now."""

    def make(self, plan: Plan) -> None:
        """Make it where it is absent; it runs, unless Kueue decides that. Raises ConfigurationError."""

    def suspend(self, suspended: bool) -> None:
        """Suspend it, or let it go on. Raises Held where somebody else has said otherwise."""

    def remove(self) -> None:
        """Begin to remove it; it is LEAVING until its pods are gone. Nothing where it is absent."""

    def tell(self, decision: Decision) -> None:
        """Let who looks at the job know why it is as it is; said once for a reason."""

    def report(self, course: Course) -> None:
        """Let who looks at the job know how far the run has come, where its kind has a place for that."""
