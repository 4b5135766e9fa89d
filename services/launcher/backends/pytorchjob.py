"""PyTorchJob, kubeflow.org/v1: the training operator up to 1.9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.launcher import manifest
from services.launcher.backends.custom import CustomJob
from services.launcher.cluster import Kind
from services.launcher.config import Plan

PYTORCH_JOB = Kind("kubeflow.org", "v1", "pytorchjobs", "PyTorchJob")


class PyTorchJob(CustomJob):
    """A master and workers. A pod that fails fails the job, which is then made anew as a whole.

    Restarting pods one by one does not bring a job back together, since those that are left wait in a
    collective (kubeflow/trainer#2000, #2269). No ttlSecondsAfterFinished: see PolicyConfig.keep_s.
    """

    kind = PYTORCH_JOB
    succeeded = "Succeeded"

    def spec(self, plan: Plan) -> dict[str, Any]:
        """See CustomJob."""
        config = plan.config
        container = manifest.container(config, "pytorch") | {
            "image": config.image,
            "command": manifest.command(plan),
            "resources": manifest.resources(config),
        }
        pod = manifest.pod(config) | {"automountServiceAccountToken": False, "containers": [container]}
        replica = {
            "restartPolicy": "Never",
            "template": {"metadata": {"labels": manifest.labels(config)}, "spec": pod},
        }
        replicas = {"Master": replica | {"replicas": 1}}
        if config.workers > 1:
            replicas["Worker"] = replica | {"replicas": config.workers - 1}
        return {
            "nprocPerNode": str(config.processes),
            "runPolicy": {"cleanPodPolicy": "None"},  # for their logs; they go with the job
            "pytorchReplicaSpecs": replicas,
        }

    def suspension(self, suspended: bool) -> dict[str, Any]:
        """See CustomJob."""
        return {"runPolicy": {"suspend": suspended}}

    def suspended(self, spec: Mapping[str, Any]) -> bool:
        """See CustomJob."""
        return bool(spec.get("runPolicy", {}).get("suspend"))
