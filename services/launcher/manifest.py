"""The pod that trains, and what both kinds of job have: labels, and notes of what it was made from.

It meets the Pod Security Standard `restricted`: no root, no privilege, a root file system that is read only.
No secret stands in it: the store's keys come from a Secret by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from services.launcher.config import LauncherConfig, Plan
from services.runtime import ConfigurationError

QUEUE = "kueue.x-k8s.io/queue-name"
_NOTES = "launcher.corpusworks.io/"
MADE, ATTEMPT, BEGAN = _NOTES + "made", _NOTES + "attempt", _NOTES + "began"
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = "corpusworks-launcher"
_CONFIG = "/etc/corpusworks"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def check(plan: Plan) -> None:
    """Raises ConfigurationError: what a job cannot be made from."""
    for name, why in (("image", "the trainer's image"), ("config_map", "the ConfigMap with its train.yaml")):
        if not getattr(plan.config, name):
            raise ConfigurationError(f"set CORPUSWORKS_UNITS__LAUNCHER__{name.upper()}: {why}")
    parts = urlsplit(plan.store_url)
    if "@" in parts.netloc or parts.query:
        raise ConfigurationError(
            "CORPUSWORKS_STORE_URL has a password in it, which would stand in every pod's text: put the keys "
            "into a Secret and name it, CORPUSWORKS_UNITS__LAUNCHER__STORE_SECRET"
        )


def metadata(plan: Plan) -> dict[str, Any]:
    """Of the job."""
    queue = {QUEUE: plan.config.queue} if plan.config.queue else {}
    notes = {MADE: plan.digest, ATTEMPT: str(plan.attempt), BEGAN: str(plan.began)}
    return {"labels": labels(plan.config) | queue, "annotations": notes}


def labels(config: LauncherConfig) -> dict[str, str]:
    """Of the job and its pods."""
    return dict(config.labels) | {
        "app.kubernetes.io/name": "corpusworks-trainer",
        "app.kubernetes.io/instance": config.run,
        MANAGED_BY: OURS,
    }


def command(plan: Plan) -> list[str]:
    """torchrun's: how many processes there are and where they meet, the operator says in PET_… variables."""
    config = plan.config
    overrides = [f"run={config.run}", f"data.store={plan.store_url}", *config.set]
    told = [word for override in overrides for word in ("--set", override)]
    return [*config.command, "--config", f"{_CONFIG}/train.yaml", *told]


def environment(config: LauncherConfig) -> list[dict[str, Any]]:
    """Plain variables, and the store's keys by reference."""
    plain = {"HOME": "/tmp", "TMPDIR": "/tmp", **config.environment}  # noqa: S108 - a volume of the pod's own
    found: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in plain.items()]
    if config.store_secret:
        found += [
            {"name": key, "valueFrom": {"secretKeyRef": _key_of(config.store_secret, key)}} for key in _KEYS
        ]
    return found


def _key_of(secret: str, key: str) -> dict[str, Any]:
    return {"name": secret, "key": key, "optional": key == _KEYS[-1]}


def resources(config: LauncherConfig) -> dict[str, dict[str, str]]:
    """Limits and requests alike: a trainer that is short of either stops all the others."""
    return {"limits": dict(config.resources), "requests": dict(config.resources)}


def container(config: LauncherConfig, name: str) -> dict[str, Any]:
    """What is laid over the container by its name in either kind: rights, volumes, environment."""
    mounts: list[Mapping[str, Any]] = [
        {"name": "config", "mountPath": _CONFIG, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - loaders' and NCCL's; a pod's own has 64 MB
        *config.mounts,
    ]
    return {
        "name": name,
        "env": environment(config),
        "securityContext": _RESTRICTED,
        "volumeMounts": [dict(mount) for mount in mounts],
    }


def pod(config: LauncherConfig) -> dict[str, Any]:
    """The pod's own fields, without its container."""
    volumes: list[Mapping[str, Any]] = [
        {"name": "config", "configMap": {"name": config.config_map}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
        *config.volumes,
    ]
    found: dict[str, Any] = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": config.user,
            "fsGroup": config.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": config.grace_s,
        "volumes": [dict(volume) for volume in volumes],
    }
    if config.node_selector:
        found["nodeSelector"] = dict(config.node_selector)
    if config.tolerations:
        found["tolerations"] = [dict(one) for one in config.tolerations]
    return found
