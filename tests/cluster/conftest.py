"""One node for all tests here, with the operator of PyTorchJobs, and one Kafka."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from services.local.stack import Stack
from tests.kubernetes_server import PYTORCH_CRD, KubernetesServer, kubernetes_server


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    """Skips where there is none, and where nobody may start one."""
    if os.geteuid() != 0:
        pytest.skip("a node is started by root")
    with kubernetes_server(tmp_path_factory.mktemp("node"), "node") as server:
        server.install(PYTORCH_CRD)
        server.script("run", "training-operator")
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker that no test stops."""
    with Stack(tmp_path_factory.mktemp("state")) as stack:
        yield stack
