"""Four processes that read one list of files while they are killed, again and again."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from services.local.stack import Stack
from tests.shared_list import shared_list

pytestmark = [pytest.mark.soak, pytest.mark.stack, pytest.mark.timeout(1200)]

KILLS = 12


def test_each_record_comes_once_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    """Prevents a file that two read or nobody, and records lost or twice, wherever a reader is hit."""
    chance = random.Random(seed)
    with (
        Stack(tmp_path / "state") as stack,
        shared_list(stack, tmp_path, "shared", files=12, records=200, small=200, silence_s=3) as shared,
    ):
        running = {str(number): shared.river.serve("ingest", instance=str(number)) for number in range(4)}
        kills, asleep, due = 0, "", 0.0
        deadline = time.monotonic() + 900
        while running:
            assert time.monotonic() < deadline, sorted(running)
            busy = [name for name in running if name != asleep and shared.num_published(name) > 2]
            if kills < KILLS and busy and time.monotonic() > due:
                name = chance.choice(busy)
                if not asleep and chance.random() < 0.3:
                    os.killpg(running[name].pid, signal.SIGSTOP)
                    asleep = name
                else:
                    shared.river.kill(running.pop(name))
                    running[f"{name}x"] = shared.river.serve("ingest", instance=f"{name}x")
                kills += 1
                due = time.monotonic() + chance.uniform(0, 1)
            if asleep and (shared.is_fenced(asleep) or kills == KILLS):
                os.killpg(running[asleep].pid, signal.SIGCONT)
                asleep = ""
            for name in [name for name, process in running.items() if process.poll() is not None]:
                assert running.pop(name).returncode == 0, shared.river.log("ingest", name)[-3000:]
            time.sleep(0.05)
        assert kills == KILLS
        shared.assert_each_once()
