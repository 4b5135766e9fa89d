"""The chart as a release on the node: images of this checkout, volumes on this disk, what is asked of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from charts import images, renders
from tests.cluster.usage import Usage, usage
from tests.kubernetes_server import KubernetesServer

IMAGE = "localhost/corpusworks"
TARGETS = ("core", "ml", "servers", "trainer")
# Packages that are mounted where the image would have them: packing 5 GB would take longer than all else.
LARGE = ("nvidia", "torch", "triton")
STATEFUL = ("kafka", "redis", "s3proxy")
NAME, NAMESPACE = "river", "corpus"
_COUNTED = re.compile(
    r"(\d+) documents: (\d+) in parts, (\d+) waiting, (\d+) in flight, (\d+) rejected, (\d+) dead letters; "
    r"(\d+) missing, (\d+) twice"
)
POLL_S = 2.0
_ASK = """
import sys, urllib.request
url, key, body = *sys.argv[1:], sys.stdin.buffer.read()
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/x-ndjson"}
request = urllib.request.Request(url, body or None, headers)
sys.stdout.write(urllib.request.urlopen(request, timeout=60).read().decode())
"""


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
    """One release. values: those of the last install or upgrade. packages: Python's, in its images' root."""

    node: KubernetesServer
    helm: Path
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)
    packages: Path = Path()

    def load_images(self) -> None:
        """Of CORPUSWORKS_ROOT, which `python -m charts.images` made with all targets, or of one made now."""
        given = os.environ.get("CORPUSWORKS_ROOT")
        root = Path(given) if given else self.folder / "root"
        if not given:
            images.build(root, TARGETS)
        self.packages = root / "usr/local/lib" / images.VERSION / "site-packages"
        apart = root.with_name(f"{root.name}-large")
        apart.mkdir()
        for name in LARGE:
            (self.packages / name).rename(apart / name)
        try:
            self.node.script("image", f"{IMAGE}/{TARGETS[0]}:test", str(root))
        finally:
            for name in LARGE:
                (apart / name).rename(self.packages / name)
            apart.rmdir()
        for target in TARGETS[1:]:
            self._ctr("images", "tag", f"{IMAGE}/{TARGETS[0]}:test", f"{IMAGE}/{target}:test")

    def large(self) -> dict[str, Any]:
        """Volumes and mounts of LARGE, for a pod of the trainer's image."""
        path = Path("/usr/local/lib", images.VERSION, "site-packages")
        mount = {"name": "packages", "readOnly": True}
        return {
            "volumes": [{"name": "packages", **self.claim("packages", self.packages)}],
            "mounts": [{**mount, "mountPath": str(path / name), "subPath": name} for name in LARGE],
        }

    def make_volumes(self) -> None:
        """One for each claim of the built-in servers: this cluster makes none."""
        self.node.kubectl("create", "namespace", NAMESPACE)
        self.enforce("restricted")
        for server in STATEFUL:
            path = self.folder / "volumes" / server
            path.mkdir(parents=True)
            os.chown(path, images.USER, images.USER)
            volume = _volume(server, path, f"data-{NAME}-{server}-0", "ReadWriteOnce")
            self.node.kubectl("apply", "-f", "-", given=yaml.safe_dump(volume))

    def enforce(self, level: str) -> None:
        """A Pod Security Standard, on every pod of the namespace from now on."""
        label = f"pod-security.kubernetes.io/enforce={level}"
        self.node.kubectl("label", "--overwrite", "namespace", NAMESPACE, label)

    def documents(self, name: str, files: Iterable[Path], *lines: Sequence[str]) -> dict[str, Any]:
        """An import of copies of these files, and of one of JSON lines for each of `lines`."""
        folder = self.folder / "documents" / name
        folder.mkdir(parents=True)
        for number, file in enumerate(files):
            shutil.copyfile(file, folder / f"{number:05d}-{file.name}")
        for number, some in enumerate(lines):
            (folder / f"{name}-{number}.jsonl").write_text("\n".join(some))
        return {"name": name, "volume": self.claim(name, folder)}

    def claim(self, name: str, folder: Path) -> dict[str, Any]:
        """A pod's volume that is a folder of this machine: restricted pods mount no path of the node's."""
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
        objects = [_volume(name, folder, name, "ReadOnlyMany"), claim]
        self.node.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))
        return {"persistentVolumeClaim": {"claimName": name, "readOnly": True}}

    def install(self, values: Mapping[str, Any]) -> None:
        """helm install."""
        self._helm("install", values)

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """helm upgrade. Raises CalledProcessError, whose stderr says why it was refused."""
        self._helm("upgrade", values)

    def rollback(self, revision: int, values: Mapping[str, Any]) -> None:
        """helm rollback, to a revision and the values that it had."""
        self._run("rollback", NAME, str(revision), "--timeout", "300s")
        self.values = dict(values)

    def uninstall(self) -> None:
        """helm uninstall, until no pod runs; those of `helm test` and of a training that has ended stay."""
        self._run("uninstall", NAME, "--wait", "--timeout", "120s")
        ended = ("Succeeded", "Failed")
        until("no pod runs", lambda: all(s["phase"] in ended for s in self.pods().values()), 120)

    @property
    def revision(self) -> int:
        """Of the newest install, upgrade or rollback."""
        return int(json.loads(self._run("history", NAME, "--max", "1", "--output", "json"))[0]["revision"])

    def kill(self, pod: str) -> None:
        """SIGKILL for its process, as when the kernel lacks memory; it is started again where it was."""
        container = self.pods()[pod]["containerStatuses"][0]["containerID"].partition("://")[2]
        self._ctr("tasks", "kill", "--signal", "SIGKILL", container)

    def delete(self, pod: str) -> None:
        """Without a grace period, as when its node is lost; another one is made."""
        self.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")

    def usage(self) -> Usage:
        """What the pods take now, by kubelet."""
        told = json.loads(self.node.kubectl("get", "--raw", "/api/v1/nodes/local/proxy/stats/summary"))
        return usage(told, NAMESPACE)

    def test(self) -> str:
        """helm test with the test's log. Raises CalledProcessError."""
        return self._run("test", NAME, "--logs", "--timeout", "300s")

    def kubectl(self, *arguments: str) -> str:
        """In the release's namespace."""
        return self.node.kubectl("--namespace", NAMESPACE, *arguments)

    def ask(self, url: str, key: str, body: str = "") -> str:
        """What a URL answers to a pod, with a body to JSON lines that it sends. Raises RuntimeError."""
        pod = ("exec", "--stdin", f"{NAME}-sink-0", "--", "python", "-c", _ASK, url, key)
        return self.node.kubectl("--namespace", NAMESPACE, *pod, given=body)

    def num_packed(self, *filters: str) -> int:
        """Documents in parts of those that the archive finds by these."""
        to = f"/tmp/{uuid4()}.jsonl"
        told = self.corpusworks("export", "s3://corpusworks", "--packed", *filters, "--to", to)
        match = re.search(r"([\d,]+) documents in ", told)
        assert match, told
        return int(match[1].replace(",", ""))

    def corpusworks(self, *arguments: str) -> str:
        """A command of the project's in a pod of the river: standard output and error."""
        pod, shell = f"{NAME}-sink-0", f"corpusworks {shlex.join(arguments)} 2>&1"
        return self.kubectl("exec", pod, "--", "/bin/sh", "-c", shell)

    def pods(self) -> dict[str, dict[str, Any]]:
        """By name: what Kubernetes tells of the status of each."""
        told = json.loads(self.kubectl("get", "pods", "--output", "json"))
        return {each["metadata"]["name"]: each["status"] for each in told["items"]}

    def ready(self) -> bool:
        """Every pod that stays is ready."""
        wanted = json.loads(self.kubectl("get", "statefulsets,deployments", "--output", "json"))["items"]
        found = [status for status in self.pods().values() if status["phase"] not in ("Succeeded", "Failed")]
        enough = len(found) >= sum(each["spec"]["replicas"] for each in wanted) > 0
        return (
            enough
            and all(map(_rolled_out, wanted))
            and all(
                condition["status"] == "True"
                for status in found
                for condition in status.get("conditions", [])
                if condition["type"] == "Ready"
            )
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

    def _ctr(self, *arguments: str) -> None:
        """Raises CalledProcessError: a container that has ended, for example."""
        command = ["ctr", "-a", str(self.node.folder / "containerd.sock"), "-n", "k8s.io", *arguments]
        subprocess.run(command, check=True, capture_output=True)

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


def _rolled_out(workload: Mapping[str, Any]) -> bool:
    """Whether its controller has seen what is asked, and every copy is of the newest kind."""
    spec, status = workload["spec"], workload["status"]
    seen = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
    return bool(seen and status.get("updatedReplicas", 0) >= spec["replicas"])


def _volume(name: str, folder: Path, claim: str, mode: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": [mode],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder)},
            "claimRef": {"namespace": NAMESPACE, "name": claim},
        },
    }


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
