"""Which kind of job a cluster serves."""

from __future__ import annotations

from services.launcher.backends.custom import CustomJob
from services.launcher.backends.pytorchjob import PyTorchJob
from services.launcher.backends.trainjob import TrainJob
from services.launcher.cluster import Cluster
from services.runtime import ConfigurationError

KINDS: tuple[type[CustomJob], ...] = (TrainJob, PyTorchJob)  # the first that is served


def served(cluster: Cluster, run: str) -> CustomJob:
    """The backend of a run: by the kind that its job has already, else by the newest that is served.

    Raises ConfigurationError: none is served, or the run has a job of either kind; DependencyDown.
    """
    offered = [kind for kind in KINDS if cluster.serves(kind.kind)]
    if not offered:
        names = " nor ".join(f"{kind.kind.plural}.{kind.kind.group}" for kind in KINDS)
        raise ConfigurationError(
            f"the cluster serves neither {names}: install Kubeflow's trainer or operator"
        )
    there = [kind for kind in offered if cluster.get(kind.kind, run) is not None]
    if len(there) > 1:
        raise ConfigurationError(
            f"the run {run} has a PyTorchJob and a TrainJob, which would write the same checkpoints: "
            "remove one of them"
        )
    return (there or offered)[0](cluster, run)
