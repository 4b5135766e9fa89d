"""TrainJob, trainer.kubeflow.org/v1alpha1, in the shape that it has since Kubeflow Trainer 2.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.launcher import manifest
from services.launcher.backends.custom import CustomJob
from services.launcher.cluster import Kind, Object
from services.launcher.config import Plan
from services.launcher.policy import Decision

TRAIN_JOB = Kind("trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob")
_NODE = "node"  # the replicated job, and its container, in the runtimes that come with Kubeflow
_PATCHER = "launcher.corpusworks.io/pod"


class TrainJob(CustomJob):
    """Over a ClusterTrainingRuntime, whose pods are patched to be as ours are."""

    kind = TRAIN_JOB
    succeeded = "Complete"

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

    def _condition(self, decision: Decision, found: Object) -> dict[str, Any]:
        generation = found["metadata"].get("generation", 0)
        return super()._condition(decision, found) | {"observedGeneration": generation}
