"""One leader at a time: killed, stopped for a while, cut off from the server, and giving up by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.launcher.lease import EXIT_LOST
from tests.cluster.standing import LEASE_S
from tests.kubernetes_server import KubernetesServer, kubernetes_server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
_SLOW_S = 60  # a machine with much to do


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    with kubernetes_server(tmp_path_factory.mktemp("kubernetes")) as found:
        yield found


class Election:
    """Candidates, and what each has written as the leader."""

    def __init__(self, server: KubernetesServer, path: Path) -> None:
        self.server, self.path, self.processes = server, path, dict[str, subprocess.Popen[bytes]]()

    def stand(self, *names: str) -> None:
        for name in names:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.standing", name, str(self.path)],
                env={**os.environ, "KUBECONFIG": str(self.server.kubeconfig)}, cwd=ROOT,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip

    @property
    def written(self) -> list[tuple[str, float]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(name, float(at)) for name, at in (line.split() for line in lines)]

    @property
    def leader(self) -> str:
        return self.written[-1][0] if self.written else ""

    def until(self, holds: Callable[[], object], timeout_s: float = _SLOW_S) -> float:
        """Seconds that it took. Raises AssertionError."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < timeout_s, self.written[-3:]
            time.sleep(0.02)
        return time.monotonic() - begun

    def assert_one_at_a_time(self) -> None:
        names = [name for name, _ in self.written]
        turns = [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]
        assert len(turns) == len(set(turns)), f"somebody led again, or between: {turns}"


@pytest.fixture
def election(server: KubernetesServer, tmp_path: Path) -> Iterator[Election]:
    found = Election(server, tmp_path / "written")
    yield found
    for process in found.processes.values():
        process.kill()
        process.wait()
    server.kubectl("delete", "lease", "--all")


def begun(election: Election) -> tuple[str, str]:
    """A leader, and one who stands by."""
    election.stand("one")
    election.until(lambda: election.leader == "one")
    election.stand("two")
    return "one", "two"


def test_a_leader_that_is_killed_is_followed(election: Election) -> None:
    leader, other = begun(election)
    election.processes[leader].kill()
    election.until(lambda: election.leader == other)
    election.assert_one_at_a_time()


def test_a_leader_that_gives_up_is_followed_at_once(election: Election) -> None:
    leader, other = begun(election)
    time.sleep(1.0)  # it stands by now, and looks at the lease each second
    election.processes[leader].terminate()
    assert election.processes[leader].wait(timeout=_SLOW_S) == 0
    election.until(lambda: election.leader == other)
    election.assert_one_at_a_time()


def test_a_leader_that_was_stopped_for_a_while_writes_no_more(election: Election) -> None:
    """Prevents: a virtual machine that is moved, wakes up, and makes a second job."""
    leader, other = begun(election)
    election.processes[leader].send_signal(signal.SIGSTOP)
    election.until(lambda: election.leader == other)
    num_written = len([name for name, _ in election.written if name == leader])
    election.processes[leader].send_signal(signal.SIGCONT)
    assert election.processes[leader].wait(timeout=_SLOW_S) == EXIT_LOST
    assert len([name for name, _ in election.written if name == leader]) == num_written
    election.assert_one_at_a_time()


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_leader_without_a_server_ends_before_its_lease_does(how: str, election: Election) -> None:
    """Prevents: one that works on while nobody can see it; SIGSTOP: a server that hangs and never answers."""
    leader, _ = begun(election)
    pid = int((election.server.folder / "kube-apiserver.pid").read_text())
    os.kill(pid, signal.Signals[how])
    away = time.monotonic()
    try:
        assert election.processes[leader].wait(timeout=_SLOW_S) == EXIT_LOST
        assert election.written[-1][1] - away < LEASE_S
    finally:
        if how == "SIGKILL":
            election.server.start_api()
        else:
            os.kill(pid, signal.SIGCONT)
    election.until(lambda: election.leader == "two")
    election.assert_one_at_a_time()
