"""Programs that a zygote forks are what a plain start makes of them, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.local import zygote
from services.local.child import Program, tail
from services.local.process import Supervisor
from services.local.zygote import Zygote
from services.runtime import ConfigurationError
from tests.unit.local.test_process import alive, gone, running_again, until

ROOT = Path(__file__).parents[3]
FORKED = pytest.param(True, id="forked", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux"))

# What a program can know of the process that it is in.
STATE = """
    import json, os, random, signal, sys, threading, time
    seen = {
        "forked": "preloaded" in sys.modules,
        "random": random.random(),
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "main": [__name__, sys.modules["__main__"].__dict__ is globals(), __file__],
        "environment": dict(os.environ),
        "zone": time.tzname,
        "folder": os.getcwd(),
        "path": sys.path,
        "leads": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
        "parent": os.getppid(),
        "signals": {n: str(signal.getsignal(n)) for n in signal.valid_signals()},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "open": sorted(os.path.realpath(f"/proc/self/fd/{n}") for n in range(64)
                       if os.path.exists(f"/proc/self/fd/{n}")),
        "threads": len(os.listdir("/proc/self/task")),
        "umask": os.umask(0o22),
    }
    print(json.dumps(seen, default=repr), flush=True)
    print("to the error stream", file=sys.stderr, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `python -m child` finds what a test writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "proto")]))
    (tmp_path / "preloaded.py").touch()
    return tmp_path


def supervisors(*modules: str) -> Iterator[Supervisor]:
    made = Supervisor(zygote=Zygote(modules) if modules else None)
    yield made
    made.close()


@pytest.fixture(params=[FORKED, pytest.param(False, id="plain")])
def supervisor(request: pytest.FixtureRequest, folder: Path) -> Iterator[Supervisor]:
    """The contract below holds for both."""
    yield from supervisors(*(["preloaded"] if request.param else []))


@pytest.fixture
def forking(folder: Path) -> Iterator[Supervisor]:
    if sys.platform != "linux":
        pytest.skip("Linux")
    yield from supervisors("preloaded")


def program(folder: Path, code: str, *arguments: str, **options: object) -> Program:
    (folder / "child.py").write_text(textwrap.dedent(code))
    command = [sys.executable, "-m", "child", *arguments]
    return Program("child", command, folder / "child.log", **options)  # type: ignore[arg-type]


def said(folder: Path) -> list[str]:
    return tail(folder / "child.log").splitlines()


def was_forked(folder: Path) -> bool:
    until(lambda: said(folder))
    return said(folder)[-1] == "forked"


WHICH = """
    import sys, time
    print("forked" if "preloaded" in sys.modules else "plain", flush=True)
    time.sleep(60)
"""


def test_a_forked_program_finds_what_a_started_one_does(forking: Supervisor, folder: Path) -> None:
    """Prevents a service that differs by how it was started: an open file, a blocked signal."""
    states = []
    with_zone = {"TZ": "Asia/Shanghai", "CORPUSWORKS_LANES": "7"}
    for made in (forking, forking, Supervisor()):
        child = made.start(program(folder, STATE, "a b", "ü", environment=with_zone))
        until(lambda: "to the error stream" in said(folder))
        states.append(json.loads(said(folder)[0]))
        assert child.pid is not None
        states[-1]["line"] = " ".join(psutil.Process(child.pid).cmdline())
        made.stop(child)
        (folder / "child.log").unlink()
    made.close()
    first, second, plain = states
    assert [state.pop("forked") for state in states] == [True, True, False]
    assert len({state.pop("random") for state in states}) == 3
    assert first == second == plain
    assert plain["parent"] == os.getpid()
    assert plain["environment"]["CORPUSWORKS_LANES"] == "7"
    assert plain["line"].endswith("-m child a b ü")


ENDS = [
    ("raise SystemExit(7)", 7, ""),
    ("raise SystemExit('a reason')", 1, "a reason"),
    ("import os; os.abort()", -signal.SIGABRT, ""),
    ("import nowhere", 1, "Traceback"),
    ("import atexit; atexit.register(print, 'at the end'); raise SystemExit(7)", 7, "at the end"),
]


def test_how_it_ends_is_on_record(supervisor: Supervisor, folder: Path) -> None:
    """Prevents a wrong setting (exit 2) from being tried again, and a failure without its traceback."""
    for code, exit_code, words in ENDS:
        child = supervisor.start(program(folder, code, fatal=frozenset({exit_code})))
        until(lambda child=child: child.over)
        assert child.exits[-1].code == exit_code
        assert words in tail(child.program.log)


def test_a_killed_one_is_started_again_and_its_time_is_kept(supervisor: Supervisor, folder: Path) -> None:
    """Prevents a service that stays away, and CPU time that nobody pays for."""
    code = "import time\nwhile time.process_time() < .4: pass\nprint('up', flush=True)\ntime.sleep(60)"
    child = supervisor.start(program(folder, code))
    for restarts in (1, 2):
        until(lambda n=restarts: said(folder).count("up") == n)
        former = child.pid
        child.kill()
        until(lambda former=former: running_again(child, former))
        assert (child.restarts, child.exits[-1].code) == (restarts, -signal.SIGKILL)
    supervisor.stop(child)
    assert 0.6 <= supervisor.used()["child"].cpu_seconds < 5


def test_a_stop_is_asked_for_and_then_forced(supervisor: Supervisor, folder: Path) -> None:
    """Prevents a service that is not allowed to finish its batch, or never ends."""
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
        print("up\\n", end="", flush=True)  # in one piece: the other line may come in the next moment
        while True: time.sleep(60)
    """
    child = supervisor.start(program(folder, code, grace_s=2))
    until(lambda: "up" in said(folder))
    supervisor.stop(child)
    assert said(folder)[-1] == "asked"
    assert child.over


def test_the_workers_of_a_killed_one_end_and_are_let_go(supervisor: Supervisor, folder: Path) -> None:
    """Prevents workers that outlive their service, and dead ones that fill the table of processes."""
    code = "import os, time\nworker = os.fork()\nif worker: print(worker, flush=True)\ntime.sleep(60)"
    child = supervisor.start(program(folder, code))
    until(lambda: said(folder))
    worker, former = int(said(folder)[0]), child.pid
    child.kill()
    until(lambda: running_again(child, former))
    until(lambda: not psutil.pid_exists(worker))


def test_a_killed_zygote_takes_nothing_with_it_and_is_replaced(forking: Supervisor, folder: Path) -> None:
    """Prevents a stray kill from ending the river, or from making every later start slow."""
    child = forking.start(program(folder, WHICH))
    assert was_forked(folder)
    former, born_of = child.pid, forking._zygote.pid  # type: ignore[union-attr]
    assert born_of is not None
    os.kill(born_of, signal.SIGKILL)
    until(lambda: forking._zygote.pid not in (None, born_of))  # type: ignore[union-attr]
    assert child.pid == former
    child.kill()
    until(lambda: len(said(folder)) == 2)
    assert said(folder)[-1] == "forked"
    assert child.exits[-1].code == -signal.SIGKILL


def test_a_zygote_that_was_killed_a_moment_ago_is_done_without(folder: Path) -> None:
    """Prevents a start that fails, or waits, because the zygote has just died."""
    made = Zygote(["preloaded"])
    if not made.ensure():
        pytest.skip("Linux")
    assert made.pid is not None
    os.kill(made.pid, signal.SIGKILL)
    with (folder / "child.log").open("wb") as log:
        asked = [sys.executable, "-m", "child"], os.environ, log.fileno()
        noted: list[int] = []
        assert not made.start(*asked, noted.append)
        assert not made.start(*asked, noted.append)
    assert not noted
    assert made.ensure()
    made.close()


def test_a_zygote_that_cannot_import_is_given_up_and_all_is_started_plainly(folder: Path) -> None:
    """Prevents a module that crashes in its import from keeping every service away."""
    (folder / "crashes.py").write_text("raise SystemExit(3)")
    for made in supervisors("crashes"):
        child = made.start(program(folder, WHICH))
        assert not was_forked(folder)
        for number in range(zygote._TRIES):
            until(lambda n=number: len(said(folder)) == n + 1)
            child.kill()
        assert set(said(folder)) == {"plain"}
        until(lambda made=made: made._zygote._failures == zygote._TRIES and made._zygote.pid is None)
        made.check()


def test_a_module_that_is_not_there_is_left_out(folder: Path) -> None:
    """Prevents an extra that is not installed from making every start slow."""
    for made in supervisors("not_installed", "preloaded"):
        made.start(program(folder, WHICH))
        assert was_forked(folder) == (sys.platform == "linux")


@pytest.mark.parametrize("changed", [{"PYTHONUTF8": "1"}, {"LD_BIND_NOW": "1"}])
def test_what_is_read_at_the_start_alone_needs_a_start(
    forking: Supervisor, folder: Path, changed: dict[str, str]
) -> None:
    """Prevents a variable that Python or the loader reads from having no effect."""
    forking.start(program(folder, WHICH, environment=changed))
    assert not was_forked(folder)


def test_another_program_is_started(forking: Supervisor, folder: Path) -> None:
    """Prevents a broker from being asked of the zygote."""
    command = ["/bin/sh", "-c", "echo here; exit 4"]
    child = forking.start(Program("child", command, folder / "child.log", fatal=frozenset({4})))
    until(lambda: child.over)
    assert said(folder) == ["here"]
    with pytest.raises(ConfigurationError, match=r"child cannot be started.*nowhere"):
        forking.start(Program("child", [folder / "nowhere"], folder / "child.log"))


def test_who_is_not_noted_does_not_run(forking: Supervisor, folder: Path) -> None:
    """Prevents a service that the guard has not heard of when the supervisor is killed just then."""
    forking.start(program(folder, WHICH))
    assert was_forked(folder)
    noted: list[int] = []

    def die(pid: int) -> None:
        noted.append(pid)
        raise InterruptedError

    (folder / "other.py").write_text("open('it ran', 'w')")
    assert forking._zygote is not None
    with (folder / "other.log").open("wb") as log, forking._changed:
        asked = [sys.executable, "-m", "other"], os.environ, log.fileno()
        assert not forking._zygote.start(*asked, die)
        until(lambda: os.waitpid(noted[0], os.WNOHANG)[0])
    assert not (folder / "it ran").exists()


PARENT = """
    import sys, time
    from pathlib import Path
    from services.local.child import Program
    from services.local.process import Supervisor
    from services.local.zygote import Zygote
    folder = Path(sys.argv[1])
    supervisor = Supervisor(zygote=Zygote(["preloaded"]))
    sleeper = [sys.executable, "-m", "child"]
    pids = [supervisor.start(Program(str(i), sleeper, folder / "child.log")).pid for i in range(3)]
    print(*pids, supervisor._zygote.pid, supervisor._guard.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("first", ["parent", "zygote and parent"])
def test_nothing_is_left_when_the_parent_is_killed(folder: Path, first: str) -> None:
    """Prevents services, workers and zygotes that nobody knows of after a kill -9."""
    code = "import os, time\nos.fork()\nprint('up\\n', end='', flush=True)\ntime.sleep(60)"
    program(folder, code)
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    *groups, guard = map(int, parent.stdout.readline().split())
    until(lambda: said(folder).count("up") == 6)
    assert len(alive(groups)) == 7
    if first != "parent":
        os.kill(groups[-1], signal.SIGKILL)
    parent.kill()
    parent.wait()
    until(lambda: not alive(groups))
    until(lambda: gone(guard))
    parent.stdout.close()


COMMAND = """
    import sys
    import preloaded
    from pathlib import Path
    from services.local import interrupt
    from services.local.child import Program
    from services.local.process import Supervisor
    from services.local.zygote import Zygote
    interrupt.take()
    zygote = Zygote(["preloaded"])
    zygote.begin()
    begun = zygote.pid
    supervisor = Supervisor(zygote=zygote)
    child = supervisor.start(Program("child", sys.argv[2:], Path(sys.argv[1])))
    print(child.pid, begun, supervisor._guard.pid, flush=True)
    sys.stdin.read()
    supervisor.close()
    print("at the end")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
@pytest.mark.parametrize("end", ["killed", "in order"])
def test_a_zygote_forked_off_a_command_has_nothing_of_it(folder: Path, end: str) -> None:
    """Prevents services that answer signals as a command does, hold its pipes, or hide what they are."""
    asked, states = [*program(folder, STATE).command, "a" * 900, "b"], []
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(COMMAND), folder / "child.log", *asked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    *groups, guard = map(int, parent.stdout.readline().split())
    until(lambda: "to the error stream" in said(folder))
    states.append(json.loads((folder / "child.log").read_text().splitlines()[0]))
    (folder / "child.log").unlink()
    plain = Supervisor()
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        plain.start(Program("child", asked, folder / "child.log"))
    finally:
        signal.signal(signal.SIGINT, former)
    until(lambda: "to the error stream" in said(folder))
    states.append(json.loads((folder / "child.log").read_text().splitlines()[0]))
    plain.close()
    assert [state.pop("forked") for state in states] == [True, False]
    assert [state.pop("parent") for state in states] == [parent.pid, os.getpid()]
    assert all(state.pop("random") for state in states)
    assert states[0].pop("environment").items() >= states[1].pop("environment").items()
    assert states[0] == states[1]
    lines = [" ".join(psutil.Process(pid).cmdline()) for pid in groups]
    assert [line.partition(" -m ")[2] for line in lines] == ["child " + "a" * 900 + " b", zygote.__name__]
    if end == "killed":
        parent.kill()
    parent.stdin.close()
    until(lambda: not alive(groups))
    until(lambda: gone(guard))
    assert parent.stdout.read() == ("" if end == "killed" else "at the end\n")
    parent.wait()
    parent.stdout.close()


STORE = """
    import obstore
    store = obstore.store.LocalStore({folder!r})
    obstore.put(store, "key", b"value")
    print(bytes(obstore.get(store, "key").bytes()), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
def test_a_command_that_has_used_a_store_forks_no_zygote(folder: Path) -> None:
    """Prevents services that wait for ever for threads which a fork leaves behind, after `run --fresh`."""
    store = textwrap.dedent(STORE.format(folder=str(folder)))
    asked = program(folder, store).command
    command = textwrap.dedent(COMMAND).replace("zygote.begin()", store + "zygote.begin()")
    with subprocess.Popen(
        [sys.executable, "-c", command, folder / "child.log", *asked], stdin=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        until(lambda: "b'value'" in said(folder))
        parent.stdin.close()
