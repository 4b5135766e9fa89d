"""The supervisor, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.local.child import MAX_QUICK_FAILURES, Child, Program, tail
from services.local.process import ProcessFailed, Supervisor
from services.local.remains import Remains
from services.runtime import ConfigurationError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.close()


def python(tmp_path: Path, code: str, **options: object) -> Program:
    command = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]
    return Program("child", command, tmp_path / "child.log", **options)  # type: ignore[arg-type]


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def spent(supervisor: Supervisor) -> float:
    """CPU seconds of the child."""
    return supervisor.used()["child"].cpu_seconds


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def running_again(child: Child, former: int | None) -> bool:
    return child.pid is not None and child.pid != former


def test_a_killed_child_is_started_again_and_the_end_is_on_record(supervisor, tmp_path):
    """Prevents a service that the kernel killed from staying away."""
    child = supervisor.start(python(tmp_path, "import time; time.sleep(60)"))
    former = child.pid
    child.kill()
    until(lambda: running_again(child, former))
    assert child.restarts == 1
    assert child.exits[0].code == -signal.SIGKILL
    assert "SIGKILL" in str(child.exits[0])


def test_a_child_that_never_gets_to_work_is_given_up_with_the_end_of_its_log(
    supervisor, tmp_path, monkeypatch
):
    """Prevents an endless crash loop, and a failure whose cause is in no message."""
    monkeypatch.setattr("services.local.child.FIRST_DELAY_S", 0.01)
    child = supervisor.start(python(tmp_path, "raise SystemExit('the broker is not to its taste')"))
    until(lambda: child.over)
    with pytest.raises(ProcessFailed, match=r"exited with 1 .*\n.*not to its taste"):
        supervisor.check()
    assert len(child.exits) == MAX_QUICK_FAILURES


def test_kills_from_outside_get_more_patience_than_failures(supervisor, tmp_path, monkeypatch):
    """Prevents a run of random kills from being taken for a crash loop."""
    monkeypatch.setattr("services.local.child.FIRST_DELAY_S", 0.01)
    child = supervisor.start(python(tmp_path, "import time; time.sleep(60)"))
    for _ in range(MAX_QUICK_FAILURES + 1):
        former = child.pid
        child.kill()
        until(lambda former=former: running_again(child, former))
    supervisor.check()
    assert child.restarts == MAX_QUICK_FAILURES + 1


def test_an_exit_that_was_planned_is_no_failure(supervisor, tmp_path):
    """Prevents a reader that has read everything from reading it again."""
    child = supervisor.start(python(tmp_path, "", done=frozenset({0})))
    until(lambda: child.over)
    assert child.done
    assert not child.exits
    supervisor.check()


def test_a_fatal_exit_is_not_tried_again(supervisor, tmp_path):
    """Prevents a wrong setting from being reported five restarts late."""
    child = supervisor.start(python(tmp_path, "raise SystemExit(78)", fatal=frozenset({78})))
    until(lambda: child.over)
    assert child.restarts == 0
    with pytest.raises(ProcessFailed, match="exited with 78"):
        supervisor.check()


def test_stop_lets_a_child_finish_its_batch(supervisor, tmp_path):
    """Prevents a stop that kills at once."""
    code = """
        import signal, sys, time
        def finish(*_): time.sleep(.2); print("finished", flush=True); sys.exit(0)
        signal.signal(signal.SIGTERM, finish)
        print("up", flush=True)
        time.sleep(60)
    """
    child = supervisor.start(python(tmp_path, code))
    until(lambda: "up" in tail(child.program.log))
    supervisor.stop(child)
    assert "finished" in tail(child.program.log)
    assert child.over
    assert not child.exits


def test_a_child_that_holds_nothing_is_ended_at_once(supervisor, tmp_path):
    """Prevents a run that waits for the way out of a server that has nothing to put down."""
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
        print("up", flush=True)
        while True: time.sleep(60)
    """
    child = supervisor.start(python(tmp_path, code, stop=signal.SIGKILL, grace_s=60))
    until(lambda: tail(tmp_path / "child.log"))
    supervisor.tell(child)
    assert child.stopping
    supervisor.stop(child)
    assert child.over
    assert child.restarts == 0
    assert tail(tmp_path / "child.log") == "up"


def test_stop_kills_what_outlasts_its_grace_and_its_workers(supervisor, tmp_path):
    """Prevents a child deaf to SIGTERM, or its workers, from keeping the parent alive or surviving it."""
    code = """
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        worker = os.fork()
        if worker: print(worker, flush=True)
        time.sleep(60)
    """
    child = supervisor.start(python(tmp_path, code, grace_s=0.3))
    until(lambda: tail(child.program.log))
    worker = int(tail(child.program.log))
    supervisor.stop(child)
    assert child.over
    until(lambda: gone(worker))


def test_the_workers_of_a_killed_child_end_with_it_and_their_time_counts(supervisor, tmp_path):
    """Prevents two sets of workers side by side after a restart, and CPU time that nobody pays for."""
    code = """
        import os, time
        worker = os.fork()
        if worker: print(worker, flush=True)
        while not worker and time.process_time() < .8: pass
        time.sleep(60)
    """
    child = supervisor.start(python(tmp_path, code))
    until(lambda: tail(child.program.log))
    worker = int(tail(child.program.log))
    until(lambda: spent(supervisor) >= 0.5)
    former = child.pid
    child.kill()
    until(lambda: running_again(child, former))
    until(lambda: gone(worker))
    supervisor.stop(child)
    assert 0.5 <= spent(supervisor) < 5


def test_cpu_seconds_of_ended_processes_are_kept(supervisor, tmp_path):
    """Prevents a report that forgets what a restarted service cost."""
    code = "import time\nwhile time.process_time() < .3: pass"
    child = supervisor.start(python(tmp_path, code, done=frozenset({0})))
    until(lambda: child.over)
    assert 0.3 <= spent(supervisor) < 3
    again = supervisor.start(python(tmp_path, code, done=frozenset({0})))
    until(lambda: again.over)
    assert spent(supervisor) >= 0.6


def test_the_most_memory_is_kept_when_it_was_given_back_and_after_the_end(supervisor, tmp_path):
    """Prevents: a machine that was short of memory for a moment, and a report that shows none of it."""
    code = """
        import os, time
        worker = os.fork()
        held = bytearray(100 << 20)
        del held
        if worker: print("up", flush=True)
        time.sleep(60)
    """
    child = supervisor.start(python(tmp_path, code))
    until(lambda: "up" in tail(child.program.log))
    until(lambda: supervisor.used()["child"].peak_bytes >= 200 << 20)
    supervisor.stop(child)
    assert 200 << 20 <= supervisor.used()["child"].peak_bytes < 300 << 20


def test_a_program_that_is_not_there_is_a_clear_error(supervisor, tmp_path):
    """Prevents a traceback out of subprocess."""
    with pytest.raises(ConfigurationError, match=r"child cannot be started.*nowhere"):
        supervisor.start(Program("child", [tmp_path / "nowhere"], tmp_path / "child.log"))


def test_children_are_out_of_reach_of_the_terminals_ctrl_c(supervisor, tmp_path):
    """Prevents Ctrl-C from killing the broker before the services have finished their batch."""
    child = supervisor.start(python(tmp_path, "import time; time.sleep(60)"))
    assert os.getsid(child.pid) != os.getsid(0)
    assert os.getpgid(child.pid) == child.pid


def test_a_long_log_is_set_aside(supervisor, tmp_path, monkeypatch):
    """Prevents `up` from filling the disk with logs."""
    monkeypatch.setattr("services.local.child.MAX_LOG_BYTES", 10)
    (tmp_path / "child.log").write_text("of last week, long\n")
    child = supervisor.start(python(tmp_path, "print('new')", done=frozenset({0})))
    until(lambda: child.over)
    assert (tmp_path / "child.log").read_text() == "new\n"
    assert (tmp_path / "child.log.1").exists()


PARENT = """
    import sys, time
    from pathlib import Path
    from services.local.child import Program
    from services.local.process import Supervisor
    folder = Path(sys.argv[1])
    supervisor = Supervisor(remains=folder / "running.json")
    sleeper = [sys.executable, "-I", "-S", "-c", "import os, time; os.fork(); time.sleep(180)"]
    left = (folder / "region-",)
    programs = [Program(str(i), sleeper, folder / f"{i}.log", leaves=left) for i in range(3)]
    pids = [supervisor.start(program).pid for program in programs]
    (folder / "region-1").touch()
    print(*pids, supervisor._guard.pid, flush=True)
    time.sleep(180)  # all longer than `until` waits for their end
"""


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int], int]]:
    """A parent process with three children of two processes each, and its guard."""
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    *groups, guard = map(int, parent.stdout.readline().split())
    yield parent, groups, guard
    parent.kill()
    parent.wait()


def alive(groups: list[int]) -> list[int]:
    found = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) in groups and not gone(pid):
                found.append(pid)
        except ProcessLookupError:
            continue
    return found


def test_nothing_is_left_when_the_parent_is_killed(family, tmp_path):
    """Prevents brokers and workers that nobody knows of after a kill -9, an OOM kill, a closed terminal."""
    parent, groups, guard = family
    assert (tmp_path / "region-1").exists()
    until(lambda: len(alive(groups)) == 6)
    parent.kill()
    parent.wait()
    until(lambda: not alive(groups), timeout_s=15)
    until(lambda: gone(guard), timeout_s=15)
    assert not (tmp_path / "region-1").exists()


def test_what_outlives_parent_and_guard_is_ended_by_the_next_start(family, tmp_path):
    """Prevents servers that nobody ends, and that hold what the next ones need, after `pkill -9 python`."""
    parent, groups, guard = family
    until(lambda: len(alive(groups)) == 6)
    os.kill(parent.pid, signal.SIGSTOP)  # else it would replace the guard
    os.kill(guard, signal.SIGKILL)
    parent.kill()
    parent.wait()
    file = tmp_path / "running.json"
    told = json.loads(file.read_text())
    assert sorted(one["pid"] for one in told) == sorted(groups)
    file.write_text(json.dumps([{**one, "begun": one["begun"] - 100} for one in told]))
    Remains(file)  # others have these numbers now
    assert len(alive(groups)) == 6
    file.write_text(json.dumps(told))
    Remains(file)
    until(lambda: not alive(groups))


def test_a_killed_guard_is_replaced(family):
    """Prevents a stray kill of the guard from taking the protection away."""
    parent, groups, guard = family
    os.kill(guard, signal.SIGKILL)
    until(
        lambda: any(
            child.pid != guard and not gone(child.pid) and "guard.py" in " ".join(child.cmdline())
            for child in psutil.Process(parent.pid).children()
        )
    )
    parent.kill()
    parent.wait()
    until(lambda: not alive(groups))


def test_a_guard_knows_what_runs_from_its_first_moment(supervisor, tmp_path, monkeypatch):
    """Prevents programs that nobody ends, where the parent is killed just as its guard is replaced."""
    child = supervisor.start(python(tmp_path, "import time; time.sleep(600)"))
    former = child.pid
    with supervisor._changed:
        monkeypatch.setattr(supervisor, "_announce", lambda *_: None)  # killed before it could say more
        supervisor._guard.kill()
        supervisor._guard.wait()
        supervisor._ensure_guard()
        guard, supervisor._guard = supervisor._guard, None
        guard.stdin.close()
    guard.wait()
    until(lambda: gone(former))


def test_what_a_killed_child_leaves_is_removed(supervisor, tmp_path):
    """Prevents shared memory that fills up with each crash of a server."""
    left = tmp_path / "region-"
    (tmp_path / "region-of-an-earlier-run").touch()
    (tmp_path / "of another").touch()
    code = f"""
        import os, time
        assert not [name for name in os.listdir({str(tmp_path)!r}) if name.startswith("region-")]
        open({str(left)!r} + str(os.getpid()), "w")
        print("up", flush=True)
        time.sleep(60)
    """
    child = supervisor.start(python(tmp_path, code, leaves=(left,)))
    until(lambda: "up" in tail(child.program.log))
    former = child.pid
    child.kill()
    until(lambda: running_again(child, former))
    until(lambda: [path.name for path in tmp_path.glob("region-*")] == [f"region-{child.pid}"])
    supervisor.stop(child)
    assert not list(tmp_path.glob("region-*"))
    assert (tmp_path / "of another").exists()
