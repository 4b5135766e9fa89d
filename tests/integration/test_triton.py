"""Triton as the local stack runs it: the real server, started, killed, started again, switched under load."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from rich.console import Console
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from services.local import run
from services.local.packages import wheels
from services.local.process import ProcessFailed
from services.local.progress import Progress
from services.local.run import Job, refresh_judges, repositories, river_on
from services.local.servers.triton import DEFAULT_MODELS, Triton, refresh, require
from services.local.stack import STAND_IN, TRITON_SETTING, Stack
from services.runtime import ConfigurationError, DependencyDown, Settings, Tls, load_settings
from services.runtime.topology import Topology
from tests import servers, tiny_model

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.stack
CHANNEL = (("grpc.use_local_subchannel_pool", 1),)


@pytest.fixture(autouse=True)
def _no_server_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRITON_SETTING, raising=False)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with version 1 of one model."""
    return tiny_model.make(tmp_path / "models").parent


@pytest.fixture
def triton(tmp_path: Path, models: Path) -> Iterator[Triton]:
    with servers.triton(tmp_path / "triton", models) as server:
        yield server


def ask(url: str, rows: int = 2, length: int = 8) -> tuple[int, np.ndarray]:
    """The version that answered, and its scores; over a connection of its own."""
    with InferenceServerClient(url, channel_args=CHANNEL) as client:
        return infer(client, rows, length)


def infer(client: InferenceServerClient, rows: int, length: int) -> tuple[int, np.ndarray]:
    ids = np.arange(rows * length).reshape(rows, length) % 50 + 4
    inputs = []
    for name, array in {"input_ids": ids, "attention_mask": np.ones_like(ids)}.items():
        inputs.append(InferInput(name, array.shape, "INT64"))
        inputs[-1].set_data_from_numpy(array)
    answer = client.infer("judge", inputs, client_timeout=10)
    return int(answer.get_response().model_version), answer.as_numpy("quality")


def shared_memory(command: list[str]) -> list[Path]:
    """What there is of the server with this command line, and of those that ran on its folder before."""
    option = next(option for option in command if "shm-region-prefix-name" in option)
    return list(Path("/dev/shm").glob(option.rpartition("=")[2] + "*"))


def wait_for_restart(triton: Triton, former: int | None) -> None:
    deadline = time.monotonic() + 20
    while triton.pid in (None, former):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    triton.wait()


def test_it_answers_on_its_socket_alone(triton: Triton):
    """Prevents a model that is loaded and not served, and one that is served to everybody."""
    version, scores = ask(triton.url, rows=3)
    assert version == 1
    assert scores.shape == (3, 1)
    assert len(set(scores.ravel().tolist())) == 3
    process = psutil.Process(triton.pid)
    assert not [each for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
    assert triton.socket in {Path(str(each.laddr)) for each in process.net_connections("unix") if each.laddr}


def test_nobody_else_can_ask_it_or_read_along(triton: Triton):
    """Prevents another user of the machine from loading models, or from reading the texts that are judged."""
    assert stat.S_IMODE(triton.socket.parent.stat().st_mode) == 0o700
    ask(triton.url)
    regions = shared_memory(psutil.Process(triton.pid).cmdline())
    assert [stat.S_IMODE(region.stat().st_mode) for region in regions] == [0o600]


@pytest.mark.parametrize("name", ["with space", "n" * 120, "中文"])
def test_a_folder_whose_path_no_socket_takes(tmp_path: Path, models: Path, name: str):
    """Prevents a server that cannot start below a long path, an address that gRPC takes for another, and a
    folder that each leaves among the temporary ones.
    """
    with servers.triton(tmp_path / name, models) as server:
        assert server.socket.parent != server.folder
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        assert ask(server.url)[0] == 1
    assert not server.socket.parent.exists()


def test_a_folder_that_somebody_else_put_there(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch):
    """Prevents a socket in a folder where another user waits for it."""
    server = servers.triton(tmp_path / "with space", models)
    server.socket.parent.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(ConfigurationError, match="is not a folder of this user"):
        server.start()
    server.socket.parent.rmdir()


def test_killed_it_comes_back_on_its_port(triton: Triton):
    """Prevents services that wait for ever for a server which has moved, and shared memory that fills up."""
    _, before = ask(triton.url)
    former = triton.pid
    for _ in range(3):
        killed = triton.pid
        triton.kill()
        wait_for_restart(triton, killed)
    assert triton.pid != former
    np.testing.assert_array_equal(ask(triton.url)[1], before)
    assert len(shared_memory(psutil.Process(triton.pid).cmdline())) == 1


def test_a_model_process_that_dies_takes_the_server_with_it(triton: Triton):
    """Prevents a server that says it is well and answers every request with an error."""
    ask(triton.url)
    former = triton.pid
    stub = next(p for p in psutil.Process(former).children() if "stub" in p.name())
    stub.kill()
    wait_for_restart(triton, former)
    assert ask(triton.url)[0] == 1


def test_stopped_nothing_is_left(tmp_path: Path, models: Path):
    """Prevents model processes and watchers that outlive their server."""
    with servers.triton(tmp_path / "triton", models) as server:
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert len(processes) >= 3
    assert not any(process.is_running() and process.status() != "zombie" for process in processes)


PARENT = """
import sys, time
from pathlib import Path
from services.local.servers.triton import Triton
server = Triton(Path(sys.argv[1]), [Path(sys.argv[2])])
server.start()
print(server.pid, flush=True)
time.sleep(120)
"""


def test_a_killed_parent_leaves_no_server(tmp_path: Path, models: Path):
    """Prevents an orphan for each run that was killed."""
    servers.triton(tmp_path / "unused", models)  # skips where there is none
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "triton"), str(models)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    processes, command = [server, *server.children(recursive=True)], server.cmdline()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    psutil.wait_procs(processes, timeout=15)
    assert not any(process.is_running() and process.status() != "zombie" for process in processes)
    deadline = time.monotonic() + 15
    while shared_memory(command):  # the guard's last act
        assert time.monotonic() < deadline
        time.sleep(0.02)
    left = next(option for option in command if "shm-region-prefix-name" in option).rpartition("=")[2]
    Path("/dev/shm", left + "of-a-guard-that-was-killed-too").touch()
    with Triton(tmp_path / "triton", [models]):
        assert len(shared_memory(command)) == 1  # its own
    assert not shared_memory(command)


def test_a_broken_model_is_named_with_tritons_own_reason(tmp_path: Path, models: Path):
    """Prevents `failed to load all models`, and a search in the log."""
    (models / "judge" / "1" / "model.onnx").write_bytes(b"no graph")
    server = servers.triton(tmp_path / "triton", models)
    with pytest.raises(
        ProcessFailed, match=r"Triton cannot load judge version 1: .*[Pp]rotobuf parsing failed"
    ) as told:
        server.start()
    assert "At:" not in str(told.value)
    assert not shared_memory(list(map(str, server.prepare().command)))


def test_versions_are_switched_under_load_and_no_request_fails(tmp_path: Path):
    """Prevents a roll-out that costs documents: what is under way ends with the old version."""
    heavy: dict[str, Any] = {"width": 128, "layers": 6}
    folder = tiny_model.make(tmp_path / "models", **heavy)
    versions: list[list[int]] = [[], [], [], []]
    failed: list[str] = []
    stop = threading.Event()

    def work(url: str, seen: list[int], length: int) -> None:
        with InferenceServerClient(url, channel_args=CHANNEL) as client:
            while not stop.is_set():
                try:
                    seen.append(infer(client, 8, length)[0])
                except InferenceServerException as error:
                    failed.append(str(error))

    def wait_until_all_see(version: int) -> None:
        deadline = time.monotonic() + 20
        while not all(seen and seen[-1] == version for seen in versions):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with servers.triton(tmp_path / "triton", folder.parent) as triton:
        threads = [
            threading.Thread(target=work, args=(triton.url, seen, length))
            for seen, length in zip(versions, (8, 8, 32, 64), strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            wait_until_all_see(1)
            for version in (2, 3, 4):
                tiny_model.add_version(folder, version, **heavy)
                assert triton.refresh() == {"judge": version}
                wait_until_all_see(version)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failed == []
    assert all(seen == sorted(seen) and set(seen) == {1, 2, 3, 4} for seen in versions)


def test_a_version_that_does_not_load_is_refused_and_forgotten(triton: Triton, models: Path):
    """Prevents a bad export from taking the judges away, now or at the next crash."""
    bad = models / "judge" / "2"
    bad.mkdir()
    (bad / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigurationError, match=r"goes on as before: .*judge.*version 2.*parsing failed"):
        triton.refresh()
    assert ask(triton.url)[0] == 1
    former = triton.pid
    triton.kill()
    wait_for_restart(triton, former)
    assert ask(triton.url)[0] == 1
    shutil.rmtree(bad)
    tiny_model.add_version(models / "judge", 2)
    assert triton.refresh() == {"judge": 2}
    assert ask(triton.url)[0] == 2


def test_a_version_that_was_taken_back_is_followed(triton: Triton, models: Path):
    """Prevents a roll-back that waits for the next start."""
    tiny_model.add_version(models / "judge", 2)
    assert triton.refresh() == {"judge": 2}
    shutil.rmtree(models / "judge" / "2")
    assert triton.refresh() == {"judge": 1}
    assert ask(triton.url)[0] == 1


def test_a_refresh_of_nothing_says_so(tmp_path: Path, models: Path):
    """Prevents a stack trace for a folder without a server, and waiting for one that is gone."""
    with pytest.raises(ConfigurationError, match="is not the folder of a Triton that was started here"):
        refresh(tmp_path, "127.0.0.1:1")
    with servers.triton(tmp_path / "triton", models) as server:
        url = server.url
    with pytest.raises(DependencyDown, match="triton does not answer"):
        refresh(tmp_path / "triton", url)


def foreign(**more: Any) -> Settings:
    """Settings of somebody who has a Kafka and a Redis, so that the stack is Triton alone."""
    kafka, redis = {"bootstrap_servers": "kafka.example:9092"}, {"url": "redis://redis.example:6379/0"}
    return load_settings(kafka=kafka, redis=redis, **more)


def test_the_stack_hands_the_address_on_and_other_commands_can_switch(tmp_path: Path, models: Path):
    """Prevents services that look for Triton at 127.0.0.1:8001, and a switch that needs a restart."""
    servers.triton(tmp_path / "unused", models)
    with Stack(tmp_path / "out" / "state", foreign(), models=[models]) as stack:
        assert [server.name for server in stack.servers] == ["triton"]
        stack.wait_for_judges()
        assert stack.stand_in == ""
        assert stack.settings.triton_url == stack.environment[TRITON_SETTING]
        assert ask(stack.settings.triton_url)[0] == 1
        tiny_model.add_version(models / "judge", 2)
        assert refresh_judges(tmp_path / "out") == {"judge": 2}
        assert ask(stack.settings.triton_url)[0] == 2
    with pytest.raises(ConfigurationError, match="nothing runs on"):
        refresh_judges(tmp_path / "out")


def test_without_a_wheel_the_stand_in_serves_and_it_is_said(tmp_path: Path, models: Path, monkeypatch):
    """Prevents a Mac from being refused, or from judging otherwise without a word."""
    monkeypatch.setattr(wheels, "PLATFORM", ("darwin", "arm64"))
    with Stack(tmp_path / "out" / "state", foreign(), models=[models]) as stack:
        assert stack.servers == []
        assert stack.environment == {TRITON_SETTING: STAND_IN}
        assert stack.settings.triton_url == STAND_IN
        with pytest.raises(ConfigurationError, match="run inside the services"):
            refresh_judges(tmp_path / "out")
    topology = Topology.load(None, ("zh", "en", "code"))
    assert repositories(foreign(), topology) == [DEFAULT_MODELS, DEFAULT_MODELS]
    monkeypatch.setattr(run, "repositories", lambda *_: [models])
    console = Console(record=True, width=200)
    with river_on(Job([], tmp_path / "river", topology, lambda _: {}), Progress(console)) as (_, settings):
        assert settings.triton_url == STAND_IN
    assert (
        "The judges run inside the services: there is no wheel of Triton for darwin arm64"
        in console.export_text()
    )


@pytest.mark.parametrize("own", ["triton.example:8001", STAND_IN])
def test_a_server_of_the_users_own_is_not_started(tmp_path: Path, models: Path, own: str):
    """Prevents a private server beside the one that the user named."""
    stack = Stack(tmp_path, foreign(triton_url=own), models=[models])
    try:
        assert stack.triton is None
        assert TRITON_SETTING not in stack.environment
        assert stack.settings.triton_url == own
    finally:
        stack.stop()


def test_a_river_that_does_not_judge_starts_none(tmp_path: Path):
    """Prevents 110 MB for a server that nobody asks; and a unit's own choice from being overlooked."""
    topology = Topology.load(None, ("zh", "en", "code"))
    judging = repositories(foreign(), topology)
    assert judging == [DEFAULT_MODELS] * 2
    units = {"classifier": {"triton_url": STAND_IN}, "scorer": {"models": os.fspath(tmp_path)}}
    assert repositories(foreign(units=units), topology) == [tmp_path]
    for name in ("classifier", "scorer"):
        del topology.services[name]
    assert repositories(foreign(), topology) == []


def test_a_server_of_the_users_own_that_is_not_there(monkeypatch, tmp_path: Path):
    """Prevents a run that waits without an end for a name with a slip in it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        require(f"grpc://127.0.0.1:{port}", Tls("CORPUSWORKS_TRITON_"))
    with pytest.raises(DependencyDown, match=f"Triton at 127.0.0.1:{port} does not answer"):
        require(f"127.0.0.1:{port}", Tls("CORPUSWORKS_TRITON_"))
    with pytest.raises(ConfigurationError, match="give host:port"):
        require("triton", Tls("CORPUSWORKS_TRITON_"))
    monkeypatch.setenv(TRITON_SETTING, f"127.0.0.1:{port}")
    topology = Topology.load(None, ("zh", "en", "code"))
    with (
        pytest.raises(DependencyDown, match="Triton at"),
        river_on(Job([], tmp_path, topology, lambda _: {}), Progress(Console(quiet=True))),
    ):
        pass
