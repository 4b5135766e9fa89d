"""A real Kubernetes for tests: by a script that starts one on loopback.

CORPUSWORKS_KUBERNETES names the script; without, it is looked for among real data beside the checkout.
Tests that need it are skipped where it is not there.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

_BESIDE = Path(__file__).parents[1].parent / "shared"
SCRIPT = Path(os.environ.get("CORPUSWORKS_KUBERNETES") or _BESIDE / "servers/kubernetes/local-kubernetes")
CRDS = SCRIPT.parents[2] / "crds"
PYTORCH_CRD = "kubeflow.org_pytorchjobs.yaml"
TRAIN_CRD = "trainer.kubeflow.org_trainjobs.yaml"
_PORTS = 12  # that it takes
_CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "training-operator")
_WATCH_S = 2.0


@dataclass(frozen=True)
class KubernetesServer:
    """One that runs. kubeconfig: of its administrator. A kubectl costs tenths of a second of CPU."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """See the class."""
        return self.folder / "kubeconfig"

    @property
    def address(self) -> str:
        """Of the API server, which pods reach too."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        return str(urlsplit(config["clusters"][0]["cluster"]["server"]).hostname)

    def client(self, kubeconfig: Path | None = None) -> Any:
        """A kubernetes.client.ApiClient."""
        from kubernetes import config

        return config.new_client_from_config(str(kubeconfig or self.kubeconfig))

    def script(self, command: str, *arguments: str) -> str:
        """A command of the script's, for this server."""
        return _script(command, str(self.folder), *arguments)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Its output. Raises RuntimeError."""
        assets = Path(_script("assets").strip())
        # A cache of its own: what another cluster served on this address is not what this one serves.
        own = ["--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.folder / "kubectl-cache")]
        command = [str(assets / "kubectl"), *own, *arguments]
        found = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
        if found.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {found.stderr[-2000:]}")
        return found.stdout

    def revive(self) -> None:
        """Start again which controllers have ended: they do when they could not renew their lease for a
        while, and count on somebody who starts them again.
        """
        for name in _CONTROLLERS:
            pid = self.folder / f"{name}.pid"
            if pid.exists() and not _runs(pid.read_text().strip()):
                self.script("run", name)

    def start_api(self) -> None:
        """Start an API server again that was killed: its port may be taken until the dead one is gone."""
        pid, deadline = self.folder / "kube-apiserver.pid", time.monotonic() + 120
        while True:
            self.script("run", "kube-apiserver")
            while _runs(pid.read_text().strip()):
                with suppress(RuntimeError):
                    self.kubectl("get", "--raw", "/readyz")
                    return
                assert time.monotonic() < deadline, "the API server does not serve again"

    def install(self, *crds: str) -> None:
        """Custom resource definitions, until they are served."""
        files = [word for name in crds for word in ("-f", str(CRDS / name))]
        applied = self.kubectl("apply", "--server-side", "-o", "name", *files).split()
        names = [name.rpartition("/")[2] for name in applied]
        deadline = time.monotonic() + 60
        while True:
            try:
                self.kubectl("get", ",".join(names))
                return
            except RuntimeError:
                assert time.monotonic() < deadline, f"not served: {', '.join(names)}"

    def kubeconfig_of(self, account: str, namespace: str) -> Path:
        """Of a ServiceAccount of this name, as what it may do alone."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        from kubernetes.client import AuthenticationV1TokenRequest, CoreV1Api, V1TokenRequestSpec

        asked = AuthenticationV1TokenRequest(spec=V1TokenRequestSpec(audiences=[]))
        core = CoreV1Api(self.client())
        token = core.create_namespaced_service_account_token(account, namespace, asked).status.token
        config["users"] = [{"name": account, "user": {"token": token}}]
        config["contexts"] = [
            {"name": account, "context": {"cluster": config["clusters"][0]["name"], "user": account}}
        ]
        config["current-context"] = account
        path = self.folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


@contextmanager
def kubernetes_server(folder: Path, mode: str = "api") -> Iterator[KubernetesServer]:
    """mode: api, all (controllers), node (pods; as root, one a machine). Skips where there is none."""
    if not SCRIPT.exists():
        pytest.skip(f"no Kubernetes for tests: {SCRIPT} is not there (CORPUSWORKS_KUBERNETES names another)")
    server = KubernetesServer(folder)
    try:
        with _one_at_a_time():
            server.script("start", str(_free_ports()), mode)
        with _watched(server):
            yield server
    finally:
        server.script("stop")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Who looks for ports takes them before another process of tests does."""
    with Path(tempfile.gettempdir(), "kubernetes-for-tests.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _watched(server: KubernetesServer) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_WATCH_S):
            with suppress(RuntimeError):  # the API server is away; the next time
                server.revive()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _script(*arguments: str) -> str:
    found = subprocess.run([str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
    if found.returncode:
        raise RuntimeError(
            f"{SCRIPT.name} {' '.join(arguments)}: {found.stderr[-2000:]}{found.stdout[-500:]}"
        )
    return found.stdout


def _free_ports() -> int:
    """The first of a row of ports that nobody listens on."""
    for first in range(21443, 31443, _PORTS + 1):
        if all(_is_free(port) for port in range(first, first + _PORTS)):
            return first
    raise RuntimeError("no row of free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
