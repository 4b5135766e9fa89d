"""Children on a pipe: forked by a process that was forked itself, started by any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from services.runtime.process import child

ROOT = Path(__file__).parents[4]

# The child answers what it is told, and does as it is told.
CHILD = """
    import os, signal, sys
    from multiprocessing.connection import Connection

    def main():
        pipe = Connection(int(sys.argv[1]))
        try:
            while True:
                told = pipe.recv()
                if told == "exit": sys.exit(17)
                if told == "raise": raise ValueError("no such thing")
                blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
                command = open("/proc/self/cmdline", "rb").read().decode()
                pipe.send([told, sys.argv[2:], os.getppid(), "preloaded" in sys.modules, blocked, command])
        except EOFError:
            print("the parent is gone", flush=True)

    if __name__ == "__main__":
        main()
"""
PARENT = """
    import json, os, signal, sys, threading, time
    from services.runtime.process import child
    import preloaded
    forked = sys.argv[1] == "forked"
    if forked:
        child.seem([sys.executable, "-m", "made", "it"])

    def begin():
        return (child.fork if forked else child.start)("answers", ["a", "b"])

    said = {"line": open("/proc/self/cmdline", "rb").read().decode()}
    one, pipe = begin()
    pipe.send("hello")
    said["answer"], said["me"] = pipe.recv(), os.getpid()
    said["running"] = one.poll()
    pipe.close()
    said["left"] = one.wait()
    for told in ("exit", "raise"):
        one, pipe = begin()
        pipe.send(told)
        said[told] = one.wait()
    one, pipe = begin()
    one.kill()
    said["killed"], said["again"] = one.wait(), one.poll()
    one.kill()
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    said["beside a thread"] = child.fork("answers", []) is not None
    print(json.dumps(said))
"""


@pytest.mark.parametrize(
    "how",
    [pytest.param("forked", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux")), "plain"],
)
def test_a_child_is_told_answers_and_ends(tmp_path: Path, how: str) -> None:
    """Prevents a worker that differs by how it was begun: its arguments, exit code, signals."""
    (tmp_path / "answers.py").write_text(textwrap.dedent(CHILD))
    (tmp_path / "preloaded.py").touch()
    room = "." * 300  # as the zygote has it, for the longer command lines of others
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PARENT), how, room],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "proto")])},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    said: dict[str, Any] = json.loads(last)
    told, arguments, parent, preloaded, blocked, line = said["answer"]
    assert (told, arguments, parent, blocked) == ("hello", ["a", "b"], said["me"], True)
    assert preloaded == (how == "forked")
    assert " ".join(line.split("\0")).split()[1:3] == ["-m", "answers"]
    if how == "forked":
        assert said["line"].rstrip("\0") == f"{sys.executable} -m made it"
    assert [said[each] for each in ("running", "left", "exit", "raise")] == [None, 0, 17, 1]
    assert (said["killed"], said["again"]) == (-9, -9)
    assert not said["beside a thread"]
    assert "the parent is gone" in lines
    assert "ValueError: no such thing" in done.stderr


def test_a_process_that_was_started_forks_nothing() -> None:
    """Prevents a fork of a process that may hold locks, connections and the memory of others."""
    assert child.fork("services.runtime.process.worker", ["rules", ""]) is None
