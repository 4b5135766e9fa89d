"""TrainJob, trainer.kubeflow.org/v1alpha1, in the shape that it has since Kubeflow Trainer 2.2."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from services.launcher import manifest
from services.launcher.backends.custom import CustomJob, now
from services.launcher.cluster import Cluster, Kind, Object
from services.launcher.config import Plan
from services.launcher.events import Course
from services.launcher.policy import Decision

TRAIN_JOB = Kind("trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob")
_NODE = "node"  # the replicated job, and its container, in the runtimes that come with Kubeflow
_PATCHER = "launcher.corpusworks.io/pod"
_REPORT_S = 15.0  # each is a write to the API server, which keeps all of them for minutes


class TrainJob(CustomJob):
    """Over a ClusterTrainingRuntime, whose pods are patched to be as ours are."""

    kind = TRAIN_JOB
    succeeded = "Complete"

    def __init__(self, cluster: Cluster, run: str) -> None:
        super().__init__(cluster, run)
        self._reported = Course()
        self._reported_at = -_REPORT_S

    def spec(self, plan: Plan) -> dict[str, Any]:
        """See CustomJob."""
        config = plan.config
        node = manifest.container(config, _NODE)
        pod = manifest.pod(config) | {
            "containers": [{name: value for name, value in node.items() if name != "env"}]
        }
        template = {"metadata": {"labels": manifest.labels(config)}, "spec": pod}
        patched = {"name": _NODE, "template": {"spec": {"template": template}}}
        return {
            "runtimeRef": {"name": config.runtime},
            "trainer": {
                "image": config.image,
                "command": manifest.command(plan),
                "env": manifest.environment(config),
                "numNodes": config.workers,
                "numProcPerNode": config.processes,
                "resourcesPerNode": manifest.resources(config),
            },
            "runtimePatches": [
                {
                    "manager": _PATCHER,
                    "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [patched]}}},
                }
            ],
        }

    def suspension(self, suspended: bool) -> dict[str, Any]:
        """See CustomJob."""
        return {"suspend": suspended}

    def suspended(self, spec: Mapping[str, Any]) -> bool:
        """See CustomJob."""
        return bool(spec.get("suspend"))

    def report(self, course: Course) -> None:
        """See Backend: the job's trainerStatus, which nobody else writes unless the trainer reports there."""
        ends = bool(course.ended) and not self._reported.ended
        soon = time.monotonic() - self._reported_at < _REPORT_S
        if not course.next or course.next == self._reported.next or (soon and not ends):
            return
        if (found := self._cluster.get(self.kind, self._run)) is None:
            return
        same = {"resourceVersion": found["metadata"]["resourceVersion"]}
        told = {"metadata": same, "status": {"trainerStatus": trainer_status(course)}}
        self._cluster.set_status(self.kind, self._run, told)
        self._reported, self._reported_at = course, time.monotonic()

    def _condition(self, decision: Decision, found: Object) -> dict[str, Any]:
        generation = found["metadata"].get("generation", 0)
        return super()._condition(decision, found) | {"observedGeneration": generation}


def trainer_status(course: Course) -> dict[str, Any]:
    """As the CRD has it. How far it is of the whole is known at the end alone: more parts make it longer."""
    measured = {"step": str(course.step), "tokens": str(course.tokens)}
    if course.loss is not None:
        measured["loss"] = f"{course.loss:.6g}"
    progress = {"progressPercentage": 100, "estimatedRemainingSeconds": 0} if course.ended == "done" else {}
    metrics = [{"name": name, "value": value} for name, value in measured.items()]
    return {"lastUpdatedTime": now(), "metrics": metrics, **progress}
