"""`up --train`: what it refuses, before anything is started."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.launch import app as launch
from services.cli.run import app
from services.runtime import ConfigurationError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "steps=3"], "--set steps: there is no such setting"),
        (["--train", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["--train", "1m", "--set", "data.batch_sizes=3"], "batch_sizes"),
        (["--train", "1m", "--set", "run=Capital Letters"], "run"),
    ],
)
def test_a_mistake_costs_nothing(arguments: list[str], said: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = CliRunner().invoke(app, ["up", "--out", str(out), *arguments])
    assert isinstance(found.exception, ConfigurationError), found
    assert said in str(found.exception)
    assert not out.exists()


def test_libraries_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = CliRunner().invoke(app, ["up", "--out", str(tmp_path / "out"), "--train", "1m"])
    assert "torch is not installed: pip install 'corpusworks[trainer]'" in str(found.exception)
    found = CliRunner().invoke(launch, [])
    assert "kubernetes is not installed: pip install 'corpusworks[launcher]'" in str(found.exception)


def test_a_launcher_without_a_cluster_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    found = CliRunner().invoke(launch, [])
    assert "settings of launcher" in str(found.exception)
    monkeypatch.setenv("CORPUSWORKS_UNITS__LAUNCHER__RUN", "first")
    found = CliRunner().invoke(launch, [])
    assert isinstance(found.exception, ConfigurationError)
    assert "no cluster to launch in" in str(found.exception)


def test_a_run_without_documents_needs_a_river_in_which_some_wait(tmp_path: Path) -> None:
    """Prevents a new, empty river where the folder's name is mistyped."""
    out = tmp_path / "corpsu"
    assert "say which documents" in str(CliRunner().invoke(app, ["run", "--out", str(out)]).exception)
    assert not out.exists()
