"""helm, where there is one: HELM, on PATH, or with the Kubernetes for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from charts import renders
from tests.kubernetes_server import SCRIPT

Rendering = Callable[..., list[dict[str, object]]]


@pytest.fixture(scope="session")
def helm() -> Path:
    """Skips where there is none."""
    if found := renders.helm():
        return found
    if SCRIPT.exists():
        assets = subprocess.run([str(SCRIPT), "assets"], capture_output=True, text=True, check=True).stdout
        return Path(assets.strip()) / "helm"
    pytest.skip("no helm: set HELM to one, or put it on PATH")


@pytest.fixture(scope="session")
def examples(helm: Path) -> dict[str, str]:
    """What each example renders, by its name."""
    return {
        file.stem: renders.template(helm, "--values", str(file))
        for file in sorted(renders.EXAMPLES.glob("*.yaml"))
        if not file.name.endswith(".rendered.yaml")
    }


@pytest.fixture(scope="session")
def objects(examples: dict[str, str]) -> dict[str, list[dict[str, object]]]:
    """The same as objects."""
    return {
        name: [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
        for name, text in examples.items()
    }
