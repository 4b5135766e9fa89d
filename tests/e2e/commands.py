"""`corpusworks` as a person runs it: a process of its own, its output, its exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from services.cli.app import command
from services.cli.exits import errors

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data"


# Made documents are no language: a judge rightly finds most of them bad, which is another test's subject.
KEEP_ALL = {"CORPUSWORKS_UNITS__SCORER__KEEP": "[]"}


def with_all_kept(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """These settings with KEEP_ALL, but where they name a topology, which may have no scorer."""
    own = dict(settings or {})
    return own if "CORPUSWORKS_TOPOLOGY" in own else KEEP_ALL | own


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """No setting of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CORPUSWORKS_")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "proto")])
    return {**kept, "PYTHONPATH": path, **with_all_kept(more)}


def start(
    *arguments: str | Path, settings: Mapping[str, str] | None = None, module: str = "services.cli"
) -> subprocess.Popen[str]:
    """Start it in a session of its own, so that a signal reaches it alone. module: whose `main` it is."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment(settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def corpusworks(
    *arguments: str | Path, settings: Mapping[str, str] | None = None, given: str = "", timeout_s: float = 120
) -> Done:
    """Run it to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *map(str, arguments)],
        env=environment(settings),
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def ask(*arguments: str | Path, settings: Mapping[str, str] | None = None, given: str = "") -> Done:
    """The same in this process, for what asks or is refused: a start alone costs a second of CPU."""
    out, told = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CORPUSWORKS_")]:
            patch.delenv(name)
        for name, value in with_all_kept(settings).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["corpusworks", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.StringIO(given))
        with redirect_stdout(out), redirect_stderr(told), pytest.raises(SystemExit) as ended, errors():
            command()
    return Done(int(ended.value.code or 0), out.getvalue(), told.getvalue())


def run(out: Path, *arguments: str | Path, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`corpusworks run` to a good end; its report."""
    done = corpusworks("run", *arguments, "--out", out, settings=settings)
    assert done.code == 0, (done.out + done.err)[-3000:]
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def left_running(out: Path) -> list[str]:
    """The command lines of processes that still work on a folder."""
    found = []
    for process in psutil.process_iter(["pid", "status", "cmdline", "environ"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE or process.info["pid"] == os.getpid():
            continue
        told = " ".join(process.info["cmdline"] or ())
        settings = (process.info["environ"] or {}).get("CORPUSWORKS_STORE_URL", "")
        if str(out) in told or str(out) in settings:
            found.append(told)
    return found
