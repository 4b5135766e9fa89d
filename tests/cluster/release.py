"""The chart as a release on the node: images of this checkout, volumes on this disk, what is asked of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from charts import images, renders
from tests.kubernetes_server import KubernetesServer

IMAGE = "localhost/corpusworks"
TARGETS = ("core", "ml", "servers")
STATEFUL = ("kafka", "redis", "s3proxy")
NAME, NAMESPACE = "river", "corpus"
_COUNTED = re.compile(
    r"(\d+) documents: (\d+) in parts, (\d+) waiting, (\d+) in flight, (\d+) rejected, (\d+) dead letters; "
    r"(\d+) missing, (\d+) twice"
)
POLL_S = 2.0


@dataclass(frozen=True)
class Counted:
    """What `corpusworks reconcile` tells."""

    documents: int
    in_parts: int
    waiting: int
    in_flight: int
    rejected: int
    dead: int
    missing: int
    twice: int


@dataclass
class Release:
    """One release. values: those of the last install or upgrade."""

    node: KubernetesServer
    helm: Path
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)

    def load_images(self) -> None:
        """Of CORPUSWORKS_ROOT, which `python -m charts.images` made with all targets, or of one made now."""
        given = os.environ.get("CORPUSWORKS_ROOT")
        root = Path(given) if given else self.folder / "root"
        if not given:
            images.build(root, TARGETS)
        self.node.script("image", f"{IMAGE}/{TARGETS[0]}:test", str(root))
        for target in TARGETS[1:]:
            tag = ("images", "tag", f"{IMAGE}/{TARGETS[0]}:test", f"{IMAGE}/{target}:test")
            subprocess.run(
                ["ctr", "-a", self.node.folder / "containerd.sock", "-n", "k8s.io", *tag], check=True
            )

    def make_volumes(self) -> None:
        """One for each claim of the built-in servers: this cluster makes none."""
        self.node.kubectl("create", "namespace", NAMESPACE)
        for level in ("enforce", "warn"):
            label = f"pod-security.kubernetes.io/{level}=restricted"
            self.node.kubectl("label", "namespace", NAMESPACE, label)
        for server in STATEFUL:
            path = self.folder / "volumes" / server
            path.mkdir(parents=True)
            os.chown(path, images.USER, images.USER)
            volume = {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": server},
                "spec": {
                    "capacity": {"storage": "100Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "hostPath": {"path": str(path)},
                    "claimRef": {"namespace": NAMESPACE, "name": f"data-{NAME}-{server}-0"},
                },
            }
            self.node.kubectl("apply", "-f", "-", given=yaml.safe_dump(volume))

    def documents(self, name: str, source: Path) -> dict[str, Any]:
        """An import of a folder of this machine, by a claim: restricted pods mount no path of the node's."""
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadOnlyMany"],
                "hostPath": {"path": str(source)},
                "claimRef": {"namespace": NAMESPACE, "name": name},
            },
        }
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "accessModes": ["ReadOnlyMany"],
                "resources": {"requests": {"storage": "1Gi"}},
                "volumeName": name,
            },
        }
        self.node.kubectl("apply", "-f", "-", given=yaml.safe_dump_all([volume, claim]))
        return {"name": name, "volume": {"persistentVolumeClaim": {"claimName": name, "readOnly": True}}}

    def install(self, values: Mapping[str, Any]) -> None:
        """helm install."""
        self._helm("install", values)

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """helm upgrade. Raises CalledProcessError, whose stderr says why it was refused."""
        self._helm("upgrade", values)

    def test(self) -> str:
        """helm test with the test's log. Raises CalledProcessError."""
        return self._run("test", NAME, "--logs", "--timeout", "300s")

    def kubectl(self, *arguments: str) -> str:
        """In the release's namespace."""
        return self.node.kubectl("--namespace", NAMESPACE, *arguments)

    def corpusworks(self, *arguments: str) -> str:
        """A command of the project's in a pod of the river: standard output and error."""
        pod, shell = f"{NAME}-sink-0", f"corpusworks {' '.join(arguments)} 2>&1"
        return self.kubectl("exec", pod, "--", "/bin/sh", "-c", shell)

    def pods(self) -> dict[str, dict[str, Any]]:
        """By name: what Kubernetes tells of the status of each."""
        told = json.loads(self.kubectl("get", "pods", "--output", "json"))
        return {each["metadata"]["name"]: each["status"] for each in told["items"]}

    def ready(self) -> bool:
        """Every pod that stays is ready."""
        found = [status for status in self.pods().values() if status["phase"] not in ("Succeeded", "Failed")]
        return len(found) >= 14 and all(
            condition["status"] == "True"
            for status in found
            for condition in status.get("conditions", [])
            if condition["type"] == "Ready"
        )

    def imported(self) -> bool:
        """Every import Job has succeeded."""
        jobs = json.loads(self.kubectl("get", "jobs", "--output", "json"))["items"]
        imports = [job for job in jobs if "-import-" in job["metadata"]["name"]]
        return bool(imports) and all(job["status"].get("succeeded") for job in imports)

    def counted(self) -> Counted:
        """By `reconcile` in a pod."""
        match = _COUNTED.search(self.corpusworks("reconcile"))
        assert match, "reconcile told nothing"
        return Counted(*map(int, match.groups()))

    def _helm(self, verb: str, values: Mapping[str, Any]) -> None:
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        self._run(verb, NAME, str(renders.CHART), "--values", str(file), "--timeout", "300s")
        self.values = dict(values)

    def _run(self, *arguments: str) -> str:
        command = [
            str(self.helm),
            "--kubeconfig",
            str(self.node.kubeconfig),
            "--namespace",
            NAMESPACE,
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def until(what: str, holds: Callable[[], bool], patience_s: float) -> None:
    """Wait for it. Raises AssertionError."""
    deadline = time.monotonic() + patience_s
    while not _tried(holds):
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(POLL_S)


def _tried(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except (RuntimeError, AssertionError, subprocess.CalledProcessError):  # a pod that is not there just now
        return False
