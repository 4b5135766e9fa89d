"""What is started before a river is made waits for it, and for nobody who is dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime.process.gate import Gate, pass_gate

WAITER = """
from services.runtime.process.gate import pass_gate

print("there", flush=True)
pass_gate()
print("through")
"""
OWNER = """
import pathlib, sys
from services.runtime.process.gate import Gate

gate = Gate(pathlib.Path(sys.argv[1]))
print("shut", flush=True)
sys.stdin.read()
"""


def waiter(gate: Gate) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WAITER],
        env={**os.environ, **gate.environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_it_waits_until_the_gate_is_open(tmp_path: Path) -> None:
    """Prevents: a service that compares its settings with those of a river which is only being made."""
    pass_gate()  # nobody told of one
    gate = Gate(tmp_path / "gate")
    with waiter(gate) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        gate.open()
        gate.open()
        assert process.communicate(timeout=20)[0] == "through\n"
    with waiter(gate) as late:
        assert late.communicate(timeout=20)[0] == "there\nthrough\n", "one that is started again later"


def test_it_is_open_where_who_shut_it_was_killed(tmp_path: Path) -> None:
    """Prevents: processes that wait for ever for a command that is gone."""
    file = tmp_path / "gate"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "shut\n"
        with subprocess.Popen(
            [sys.executable, "-c", WAITER],
            env={**os.environ, "_CORPUSWORKS_GATE": str(file)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            owner.kill()
            assert process.communicate(timeout=20)[0] == "through\n"
