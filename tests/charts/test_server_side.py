"""Every object of every example is taken by a real API server, custom resources by their own definitions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.kubernetes_server import CRDS, KubernetesServer, kubernetes_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    """With every definition that is at hand; its namespace asks for restricted pods."""
    with kubernetes_server(tmp_path_factory.mktemp("kubernetes")) as server:
        server.install(*(file.name for file in sorted(CRDS.glob("*.yaml"))))
        server.kubectl("create", "namespace", "corpus")
        server.kubectl("create", "serviceaccount", "river-corpusworks", "--namespace", "corpus")  # a pod's
        label = "pod-security.kubernetes.io/enforce=restricted"
        server.kubectl("label", "namespace", "corpus", label, label.replace("enforce", "warn"))
        yield server


def test_every_object_is_taken(server: KubernetesServer, examples: dict[str, str]) -> None:
    """Prevents a field that Kubernetes or an operator does not know, and a pod that is no restricted one."""
    for name, text in examples.items():
        given = ("apply", "--dry-run=server", "--validate=strict", "--namespace", "corpus", "-f", "-")
        taken = server.kubectl(*given, given=text).splitlines()
        assert len(taken) == text.count("\nkind: "), name


def test_a_wrong_field_is_not_taken(server: KubernetesServer, examples: dict[str, str]) -> None:
    """Prevents a check that takes everything."""
    wrong = examples["production"].replace("maxReplicaCount", "maxReplicasCount", 1)
    with pytest.raises((RuntimeError, subprocess.CalledProcessError)):
        server.kubectl(
            "apply", "--dry-run=server", "--validate=strict", "--namespace", "corpus", "-f", "-", given=wrong
        )
