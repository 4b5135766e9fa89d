"""`import` and `serve`: a river that is not there, or is kept elsewhere, is told in one line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.cli import serve
from services.local.child import QUICK_S
from services.local.servers.ports import free_port
from services.runtime.clients.reach import TIMEOUT_S
from tests.e2e.commands import SAMPLES, ask


@pytest.mark.parametrize("command", [["import", str(SAMPLES)], ["serve", "rules"]])
def test_a_broker_that_is_not_there_is_told(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a command that says nothing and never ends."""
    assert QUICK_S <= serve._PATIENCE_S
    assert serve._PATIENCE_S + TIMEOUT_S <= 20
    monkeypatch.setattr(serve, "_PATIENCE_S", 1.0)
    port, begun = free_port(), time.monotonic()
    done = ask(*command, settings={"CORPUSWORKS_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"})
    assert done.code == 3
    assert done.err.startswith(f"corpusworks: Kafka at 127.0.0.1:{port}")
    assert done.err.count("\n") == 1
    assert 1 <= time.monotonic() - begun < 10


def test_an_import_into_a_folder_on_which_nothing_runs(tmp_path: Path) -> None:
    done = ask("import", SAMPLES, "--out", tmp_path)
    assert done.code == 2
    assert "holds no river" in done.err
    assert not list(tmp_path.iterdir())
