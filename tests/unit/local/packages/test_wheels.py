"""Finding, setting up and refusing the local Triton."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.local.doctor import check
from services.local.packages import install, jars, programs, wheels
from services.runtime import ConfigurationError


@pytest.fixture
def linux(monkeypatch, tmp_path):
    """A machine for which there is a wheel, and nothing set up."""
    monkeypatch.setattr(wheels, "PLATFORM", ("linux", "x86_64"))
    monkeypatch.setattr(wheels, "PYTHON", (3, 11))
    monkeypatch.setenv("CORPUSWORKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(jars.Jars, "fetch", lambda jars, progress: None)
    monkeypatch.setattr(programs, "kafka_jars", lambda: [tmp_path / "kafka.jar"])
    monkeypatch.setattr(install, "train", lambda: None)
    return tmp_path


def installer(monkeypatch, code: int = 0, stub: bool = True) -> list[list[str]]:
    """A uv that lays out the wheel as it is, or fails; the commands that it was given."""
    commands: list[list[str]] = []

    real = subprocess.run

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "env" not in options:  # of the doctor, who looks at other programs too
            return real(command, **options)
        commands.append(command)
        assert "PYTHONPATH" not in options["env"]  # pip would find numpy there and leave it out
        if code == 0 and command[1] == "venv":
            packages = Path(command[-1]) / "lib" / "python3.11" / "site-packages"
            server = packages / "pytriton" / "tritonserver"
            (server / "backends" / "python").mkdir(parents=True)
            for version in ("3.10", *(["3.11"] if stub else [])):
                (server / "python_backend_stubs" / version).mkdir(parents=True)
                (server / "python_backend_stubs" / version / "triton_python_backend_stub").write_text(version)
            (packages / "nvidia_pytriton.libs").mkdir()
            (packages / "nvidia_pytriton.libs" / "libpython3-1.13.so.1.0").write_text("")
            (packages / "nvidia_pytriton.libs" / "libcurl-1.so").write_text("")
        return subprocess.CompletedProcess(command, code, "", "no route to the index" if code else "")

    monkeypatch.setenv("UV", "uv")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setattr(wheels.subprocess, "run", run)
    return commands


@pytest.mark.parametrize(
    ("machine", "python", "told"),
    [
        (("darwin", "arm64"), (3, 11), "no wheel of Triton for darwin arm64"),
        (("linux", "aarch64"), (3, 11), "no wheel of Triton for linux aarch64"),
        (("linux", "x86_64"), (3, 14), "runs with Python 3.11 and 3.12, and this is 3.14"),
    ],
)
def test_where_there_is_no_wheel_set_up_says_so_and_goes_on(
    linux, monkeypatch, capsys, machine, python, told
):
    """Prevents a set-up that fails on a Mac for a server which it can do without."""
    monkeypatch.setattr(wheels, "PLATFORM", machine)
    monkeypatch.setattr(wheels, "PYTHON", python)
    monkeypatch.setattr(wheels, "fetch", lambda: pytest.fail("downloads"))
    assert install.main([]) == 0
    assert re.search(
        f"No local Triton, the judges run inside the services instead: .*{told}", capsys.readouterr().out
    )
    with pytest.raises(ConfigurationError, match=told):
        wheels.found()


def test_no_network_is_said_and_leaves_nothing_half_made(linux, monkeypatch, capsys):
    """Prevents a broken environment from being taken for a whole one at the next start."""
    installer(monkeypatch, code=1)
    assert install.main([]) == 0
    assert "no route to the index" in capsys.readouterr().out
    assert list((linux / "cache").iterdir()) == []
    with pytest.raises(
        ConfigurationError, match=r"not set up in .*: run `python -m services.local.packages.install`"
    ):
        wheels.found()


def test_a_second_set_up_does_nothing_and_a_new_lock_has_its_own_folder(linux, monkeypatch, tmp_path):
    """Prevents a download at each `make setup`, and wheels of another lock than the code expects."""
    commands = installer(monkeypatch)
    assert wheels.fetch()
    assert not wheels.fetch()
    assert len(commands) == 2
    lock = tmp_path / "triton.lock.txt"
    lock.write_text("numpy==1\n")
    monkeypatch.setattr(wheels, "LOCK", lock)
    with pytest.raises(ConfigurationError, match="not set up"):
        wheels.found()
    assert wheels.fetch()


def test_the_stub_is_put_beside_the_backend_and_the_rest_goes(linux, monkeypatch):
    """Prevents the stub of another Python, and 40 MB that nobody uses."""
    installer(monkeypatch)
    wheels.fetch()
    backends = wheels.found().backends
    assert (backends / "python" / "triton_python_backend_stub").read_text() == "3.11"
    packages = backends.parents[2]
    assert [path.name for path in (packages / "nvidia_pytriton.libs").iterdir()] == ["libcurl-1.so"]
    assert not (packages / "pytriton" / "tritonserver" / "python_backend_stubs").exists()


def test_a_wheel_without_a_stub_for_this_python_is_refused(linux, monkeypatch):
    """Prevents a server that starts and then loads no model."""
    installer(monkeypatch, stub=False)
    with pytest.raises(ConfigurationError, match=r"no stub of its python backend for Python 3\.11"):
        wheels.fetch()
    assert not wheels.folder().exists()


def test_a_server_that_did_not_run_here_is_not_tried_at_each_start(linux, monkeypatch, tmp_path):
    """Prevents a run that fails where the judges could have run inside the services."""
    installer(monkeypatch)
    wheels.fetch()
    assert not wheels.runs()
    wheels.record("Triton does not run on this machine: libpython3.11.so is missing")
    assert not wheels.runs()
    with pytest.raises(ConfigurationError, match="libpython"):
        wheels.found()
    found = next(finding for finding in check(tmp_path) if finding.name == "Triton")
    assert not found.ok
    assert not found.required
    assert "libpython" in found.advice
    assert "CORPUSWORKS_TRITON_URL" in found.advice
    wheels.record("")
    assert wheels.runs()
    assert next(finding for finding in check(tmp_path) if finding.name == "Triton").ok


def test_a_triton_of_the_users_own_is_enough(linux, monkeypatch, tmp_path):
    """Prevents telling a cluster's user to install a local one."""
    monkeypatch.setenv("CORPUSWORKS_TRITON_URL", "triton.example:8001")
    found = next(finding for finding in check(tmp_path) if finding.name == "Triton")
    assert found.ok
    assert "triton.example:8001" in found.found


def test_pip_does_it_where_there_is_no_uv(linux, monkeypatch):
    """Prevents a set-up that only works from the Makefile."""
    commands = installer(monkeypatch)
    monkeypatch.delenv("UV")
    monkeypatch.setenv("PATH", str(linux))
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="needs pip or uv"):
        wheels.fetch()
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(ConfigurationError, match="no stub"):  # nothing was laid out
        wheels.fetch()
    assert [command[:3] for command in commands] == [
        [sys.executable, "-m", "venv"],
        [sys.executable, "-m", "pip"],
    ]
    assert "--require-hashes" in commands[1]


def test_the_lock_pins_every_file_and_names_no_host():
    """Prevents a wheel that changed under its version, and a private index in a public file."""
    text = wheels.LOCK.read_text()
    pinned = re.findall(r"^([a-z-]+)==(\S+) ", text, re.MULTILINE)
    assert {name for name, _ in pinned} == {"nvidia-pytriton", "numpy", "onnxruntime"}
    assert dict(pinned)["numpy"].startswith("1.")
    assert text.count("--hash=sha256:") > len(pinned)
    assert "://" not in text


def test_nothing_of_the_services_environment_reaches_the_stub(monkeypatch, tmp_path):
    """Prevents numpy 2 from being imported from a PYTHONPATH: it answers with wrong shapes."""
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    environment = wheels.at(tmp_path / "venv").environment
    assert environment["PYTHONPATH"] == ""
    assert environment["PATH"].split(os.pathsep)[0] == str(tmp_path / "venv" / "bin")
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
