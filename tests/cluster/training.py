"""A launcher's processes, a store that pods see too, and what is to be seen of their job."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from services.launcher.config import LauncherConfig
from services.launcher.lease import EXIT_LOST
from services.launcher.rbac import rules
from services.local.stack import Stack
from tests.kubernetes_server import KubernetesServer
from tests.training import make_part, tree

ROOT = Path(__file__).parents[2]
# What PyTorch needs of this machine, under the same names in a pod: mounting it is quicker than an image.
_PYTHON = Path(sys.base_prefix).resolve()
_ENVIRONMENT = Path(sys.prefix).resolve()
_MOUNTED = {"/usr/lib": "/usr/lib", "/lib": "/usr/lib", "/lib64": "/lib64"} | {
    str(path): str(path) for path in (_PYTHON, _ENVIRONMENT)
}
TOKENS = 1024  # of a part
BATCH = 512


@dataclass
class Training:
    """A run in a namespace of its own. A context manager.

    settings: of the launcher, over ours.
    """

    node: KubernetesServer
    kafka: Stack
    folder: Path
    run: str
    steps: int
    settings: Mapping[str, Any]
    parts: int = 0
    launchers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    most_jobs: int = 0
    most_pods: int = 0
    trouble: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.store = self.folder / "store"
        self.store.mkdir(mode=0o777)
        self.store.chmod(0o777)
        self.folder.chmod(0o755)
        # Only what a launcher may do, and what pods cannot be without.
        self.config = LauncherConfig(run=self.run)
        rbac = "rbac.authorization.k8s.io"
        self.node.kubectl("create", "namespace", self.run)
        subject = {"kind": "ServiceAccount", "name": f"{self.run}-launcher", "namespace": self.run}
        named = {"metadata": {"name": f"{self.run}-launcher", "namespace": self.run}}
        role = {"kind": "Role", "apiGroup": rbac, "name": f"{self.run}-launcher"}
        train = tree(Path("/store"), run=self.run, steps=self.steps, data__wait_s=float("inf"))
        objects = [
            {"apiVersion": "v1", "kind": "ServiceAccount"} | named,
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "rules": rules(self.config)} | named,
            {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "subjects": [subject], "roleRef": role}
            | named,
            {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "train", "namespace": self.run},
                "data": {"train.yaml": yaml.safe_dump(train)},
            },
        ]  # fmt: skip
        self.node.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))
        self.kubeconfig = self.node.kubeconfig_of(f"{self.run}-launcher", self.run)
        self._cli("topics", check=True)
        self._watching = True
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self.launchers):
            self.end(name)
        self._watching = False
        self._watcher.join()
        if kind is not None:
            self._tell()
        self.kubectl("delete", "pytorchjobs", "--all", "--timeout=60s")
        self.node.kubectl("delete", "namespace", self.run, "--wait=false")

    def seal(self, count: int, phase: str = "stable") -> None:
        """Parts that the catalog names."""
        for number in range(self.parts, self.parts + count):
            make_part(self.store, number, phase=phase)
        for path in self.store.rglob("*"):
            path.chmod(0o777 if path.is_dir() else 0o666)
        self.parts += count

    def launch(self, name: str) -> None:
        """Start a launcher; its log is NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.launchers[name] = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "launch"],
                env=self._environment | {"CORPUSWORKS_INSTANCE": name},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT,
            )  # fmt: skip

    def end(self, name: str, number: int = signal.SIGTERM) -> int:
        """Signal a launcher, and wait for its end; its exit code."""
        process = self.launchers.pop(name)
        process.send_signal(number)
        return process.wait(timeout=60)

    def leader(self) -> str:
        """Who holds the lease."""
        found = json.loads(self.kubectl("get", "lease", self.config.lease, "-o", "json"))
        return str(found["spec"].get("holderIdentity") or "")

    def job(self) -> dict[str, Any]:
        """The PyTorchJob, or nothing."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "pytorchjobs", "-o", "json"))["items"]
        return found[0] if found else {}

    def condition(self, kind: str) -> str:
        """The reason of a condition of the job that holds, or that it does not; empty without it."""
        conditions = self.job().get("status", {}).get("conditions", [])
        return next((str(c["reason"]) for c in conditions if c["type"] == kind), "")

    def pods(self) -> list[str]:
        """Names of those that have not ended."""
        found = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return [p["metadata"]["name"] for p in found if p["status"]["phase"] in ("Pending", "Running")]

    def events(self) -> list[dict[str, Any]]:
        """What the trainer has said, in the store."""
        paths = sorted((self.store / "train" / self.run / "events").glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    def step(self) -> int:
        """The last that was trained."""
        return max((event["step"] for event in self.events() if event["kind"] == "step"), default=0)

    def until(self, what: str, holds: Callable[[], object], timeout_s: float = 180) -> None:
        """Wait for it. Raises AssertionError."""
        deadline = time.monotonic() + timeout_s
        while not self._ask(holds):
            assert time.monotonic() < deadline, f"not in {timeout_s:.0f} s: {what}"
            for name, process in list(self.launchers.items()):
                code = process.poll()
                if code == EXIT_LOST:  # as a Deployment does
                    self.launch(name)
                else:
                    assert code is None, f"{name} ended with {code}: {self._log(name)}"
            time.sleep(0.3)

    def kubectl(self, *arguments: str) -> str:
        """In the run's namespace, as the administrator."""
        return self.node.kubectl("-n", self.run, *arguments)

    @staticmethod
    def _ask(holds: Callable[[], object]) -> bool:
        try:
            return bool(holds())
        except (RuntimeError, LookupError):  # the server is away for a while
            return False

    def _watch(self) -> None:
        """At every moment: never two jobs, never more pods than one job has."""
        while self._watching:
            with contextlib.suppress(RuntimeError):
                jobs = json.loads(self.kubectl("get", "pytorchjobs", "-o", "json"))["items"]
                self.most_jobs = max(self.most_jobs, len(jobs))
                self.most_pods = max(self.most_pods, len(self.pods()))
            time.sleep(0.5)

    @property
    def _environment(self) -> dict[str, str]:
        volumes = [
            {"name": f"host-{n}", "hostPath": {"path": path}} for n, path in enumerate(self._mounted.values())
        ]
        mounts = [
            {"name": f"host-{n}", "mountPath": path, "readOnly": path != "/store"}
            for n, path in enumerate(self._mounted)
        ]
        settings: dict[str, Any] = {
            "run": self.run, "namespace": self.run, "image": "localhost/busybox:1", "config_map": "train",
            "set": ["data.store=/store"], "volumes": volumes, "mounts": mounts, "grace_s": 30,
            "command": [str(_ENVIRONMENT / "bin/python"), *LauncherConfig(run="any").command[1:]],
            "environment": {"PYTHONPATH": "/corpusworks:/corpusworks/proto", "OMP_NUM_THREADS": "1"},
            "resources": {"cpu": "200m", "memory": "2Gi"}, "period_s": 0.5,
        } | dict(self.settings)  # fmt: skip
        unit = "CORPUSWORKS_UNITS__LAUNCHER__"
        words = {unit + k.upper(): v if isinstance(v, str) else json.dumps(v) for k, v in settings.items()}
        return {
            **os.environ, **self.kafka.environment, **words,
            "CORPUSWORKS_STORE_URL": self.store.as_uri(), "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}",
        }  # fmt: skip

    @property
    def _mounted(self) -> dict[str, str]:
        return {**_MOUNTED, "/corpusworks": str(ROOT), "/store": str(self.store)}

    def _cli(self, *arguments: str, check: bool) -> str:
        command = [sys.executable, "-m", "services.cli", *arguments]
        found = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert not check or found.returncode == 0, found.stderr
        return found.stdout

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def _tell(self) -> None:
        """Of a test that failed."""
        with contextlib.suppress(RuntimeError):
            print(self.kubectl("get", "pytorchjobs,pods,events"))
            print(json.dumps(self.job().get("status")))
            for pod in json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]:
                with contextlib.suppress(RuntimeError):
                    print(self.kubectl("logs", "--tail", "30", pod["metadata"]["name"]))
        for log in self.folder.glob("*.log"):
            print(f"== {log.name}\n{log.read_text(errors='replace')[-4000:]}")
