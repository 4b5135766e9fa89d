"""Settings of the launcher: CORPUSWORKS_UNITS__LAUNCHER__…; a list or a table is JSON there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict

from services.launcher.policy import PolicyConfig

# The operator names a pod and its Service RUN-worker-NUMBER, and a name in DNS has 63 characters.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?")


@dataclass(frozen=True)
class PhaseConfig:
    """What is otherwise in a phase than in the launcher's own settings; None and empty: the same."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # it is within another

    workers: int | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    set: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError("a phase has a worker at least")


@dataclass(frozen=True)
class LauncherConfig:
    """What is launched, and when.

    run: the trainer's `run`, and the job's name. config_map: holds the trainer's configuration as
        `train.yaml`; a changed one gets another name, so that the job is made anew. set: `key=value` over it.
    workers: pods; processes: of each, one a GPU. resources: of each pod, limits and requests alike.
    queue: of Kueue, which then owns `suspend`. phases: by the name of a phase of the recipe.
    store_secret: a Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. environment: of the pods.
    volumes, mounts: more of them, as a pod has them. grace_s: for a checkpoint when a pod is ended.
    runtime: the ClusterTrainingRuntime of a TrainJob.
    lease_s: so long after a leader's last sign of life another one takes over.
    """

    run: str
    image: str = ""
    config_map: str = ""
    set: tuple[str, ...] = ()
    workers: int = 1
    processes: int = 1
    resources: Mapping[str, str] = field(default_factory=lambda: {"cpu": "4", "memory": "16Gi"})
    queue: str = ""
    phases: Mapping[str, PhaseConfig] = field(default_factory=dict)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    namespace: str = "default"
    runtime: str = "torch-distributed"
    command: tuple[str, ...] = ("python", "-m", "torch.distributed.run", "-m", "trainer.train")
    store_secret: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    user: int = 65532  # the usual "nonroot" of images; the trainer's image can be run by any
    grace_s: int = 120
    period_s: float = 5.0
    lease_s: int = 15

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.run):
            raise ValueError(f"run {self.run!r} is no name of a job: up to 50 of a-z, 0-9 and -")
        for name in ("workers", "processes", "grace_s", "period_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} has to be positive")
        if self.lease_s < 5:
            raise ValueError("lease_s below 5: a server that hesitates would end the leader")
        if self.user < 1:
            raise ValueError("user 0: the pods run as no root")

    @property
    def lease(self) -> str:
        """The name of the Lease."""
        return f"corpusworks-launcher-{self.run}"


@dataclass(frozen=True)
class Plan:
    """A job that could be made now: the settings with a phase's own in place, and what is noted on it.

    attempt: how many failed before it without coming further. began: tokens trained on when it was made.
    """

    config: LauncherConfig
    store_url: str
    attempt: int = 0
    began: int = 0

    @property
    def digest(self) -> str:
        """16 hex digits over all that makes the job what it is; when it is made and watched is none of it."""
        told = asdict(self.config)
        for when in ("policy", "period_s", "lease_s", "phases"):
            del told[when]
        whole = json.dumps([told, self.store_url], sort_keys=True, default=list)
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def of_phase(config: LauncherConfig, phase: str) -> LauncherConfig:
    """The settings as they are in a phase."""
    own = config.phases.get(phase)
    if own is None:
        return config
    plain = {name: getattr(config, name) for name in config.__dataclass_fields__}
    return LauncherConfig(
        **plain
        | {
            "workers": own.workers or config.workers,
            "resources": {**config.resources, **own.resources},
            "set": (*config.set, *own.set),
        }
    )
