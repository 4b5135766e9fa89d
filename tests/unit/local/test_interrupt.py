"""What a signal does before and after something is held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.local import interrupt

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, sys
from services.local import interrupt
heavy = {"typer", "kafka", "pydantic", "services.runtime"} & set(sys.modules)
assert not heavy, heavy
interrupt.take()
try:
    if sys.argv[1] in ("held", "swallowed"):
        interrupt.hold()
    if sys.argv[1] == "own":
        signal = __import__("signal")
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        interrupt.hold()
    try:
        try:
            os.kill(os.getpid(), int(sys.argv[2]))
        except BaseException:
            if sys.argv[1] != "swallowed":
                raise
            from services.local.process import Supervisor
            Supervisor().check()
        print("went on")
    finally:
        print("unwound", flush=True)
except interrupt.Interrupted:
    assert interrupt.came()
    os.kill(os.getpid(), int(sys.argv[2]))  # a second one changes nothing
    print("caught", flush=True)
    interrupt.leave()
"""


def ended(state: str, number: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, state, str(int(number))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_anything_is_held_it_ends_at_once_and_afterwards_it_unwinds(number: int):
    """Prevents a traceback out of an import, servers that are left running, and a command that goes on, deaf,
    since somebody between has caught everything.
    """
    told = "corpusworks: interrupted; the same command goes on from here\n"
    for state, said in (("free", ""), *((state, "unwound\ncaught\n") for state in ("held", "swallowed"))):
        done = ended(state, number)
        assert (done.returncode, done.stdout, done.stderr) == (130, said, told)


def test_a_handler_of_a_services_own_stays():
    """Prevents a service that loses its batch because a lock was taken after its start."""
    assert ended("own", signal.SIGTERM).returncode == 7


def test_a_signal_inside_an_import_is_answered_behind_it():
    """Prevents Ctrl-C that an import swallows, after which no other is heard."""
    came = list[int]()
    former = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with interrupt.later():
            os.kill(os.getpid(), signal.SIGTERM)
            assert not came
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, former)
