"""What others' programs find: the schemas of Kubernetes' versions, checkov, hadolint. build/scan has them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import images, renders

VERSIONS = ("1.34", "1.35", "1.36", "1.37")
# Of these the schemas are known; custom resources are tried on a real server (test_server_side.py).
_OWN = (".k8s.io", "apps", "batch", "policy", "autoscaling")


def program(name: str) -> str:
    """CORPUSWORKS_SCAN names another environment. Skips where there is none."""
    path = Path(os.environ.get("CORPUSWORKS_SCAN") or images.ROOT / "build/scan") / "bin" / name
    if not path.exists():
        pytest.skip(f"no {name}: make build/done/scan installs it")
    return str(path)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """With its output; whoever asks looks at the code."""
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=images.ROOT)


def is_known(each: dict[str, Any]) -> bool:
    """Whether its kind comes with Kubernetes."""
    group, _, version = str(each["apiVersion"]).rpartition("/")
    return not group or (bool(version) and group.endswith(_OWN))


def validated(path: Path, objects: list[dict[str, Any]], version: str) -> subprocess.CompletedProcess[str]:
    """By the schemas of a version of Kubernetes, which know no other field than theirs."""
    path.write_text(yaml.safe_dump_all(objects))
    return run(program("kubernetes-validate"), "--strict", "--no-warn", "-k", version, str(path))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_each_version_take_every_object(
    version: str, objects: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Prevents a field that one of the supported versions of Kubernetes does not have."""
    known = [each for found in objects.values() for each in found if is_known(each)]
    assert {"StatefulSet", "Deployment", "Job", "CronJob", "Role"} <= {each["kind"] for each in known}
    done = validated(tmp_path / "objects.yaml", known, version)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_that_is_none_is_not_taken(objects: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    """Prevents a validation that takes everything."""
    wrong = next(each for each in objects["try-out"] if each["kind"] == "StatefulSet")
    wrong = {**wrong, "spec": {**wrong["spec"], "replica": 1}}
    done = validated(tmp_path / "wrong.yaml", [wrong], VERSIONS[0])
    assert done.returncode != 0
    assert "replica" in done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    """Prevents what makes an image large, unpinned or a root's; and a linter that finds nothing ever."""
    assert run(program("hadolint"), "Dockerfile").stdout == ""
    bad = tmp_path / "Dockerfile"
    bad.write_text((images.ROOT / "Dockerfile").read_text() + "\nFROM python:latest\nRUN cd /tmp\n")
    assert "DL3007" in run(program("hadolint"), str(bad)).stdout


@pytest.mark.cluster  # half a minute
@pytest.mark.timeout(600)
def test_checkov_finds_nothing_but_what_is_explained(tmp_path: Path) -> None:
    """Prevents a pod with more rights than it needs: .checkov.yaml says what is meant so, and why."""
    checkov = program("checkov")
    files = [f"--file={file}" for file in renders.EXAMPLES.glob("*.rendered.yaml")]
    done = run(checkov, "--config-file", ".checkov.yaml", *files)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    bad = tmp_path / "bad.yaml"
    text = (renders.EXAMPLES / "try-out.rendered.yaml").read_text()
    bad.write_text(text.replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", 1))
    done = run(checkov, "--config-file", ".checkov.yaml", f"--file={bad}")
    assert done.returncode == 1
    assert "CKV_K8S_20" in done.stdout
