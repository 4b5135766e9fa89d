"""The state folder: one run at a time, and clear words when it cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from services.local import folder
from services.local.folder import LOCK, FolderLock, prepare, reading, running
from services.local.river import River
from services.runtime import ConfigurationError

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from services.local.folder import FolderLock
from services.local.child import Program
from services.local.process import Supervisor
lock = FolderLock(Path(sys.argv[1]))
lock.publish({"NAME": "value"})
supervisor = Supervisor(keep_open=[lock.fd])
command = [sys.executable, "-c", "import time; time.sleep(60)"]
supervisor.start(Program("x", command, Path(sys.argv[1]) / "x.log"))
print("held", flush=True)
time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process with the lock, a guard and a child."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_two_runs_do_not_share_a_folder_and_a_killed_one_gives_it_back(tmp_path):
    """Prevents two brokers on one log, and a folder that stays locked after a crash."""
    holder = hold(tmp_path)
    try:
        with pytest.raises(ConfigurationError, match=f"in use by process {holder.pid}"):
            FolderLock(tmp_path)
        assert running(tmp_path) == {"NAME": "value"}
    finally:
        holder.kill()  # not reaped yet: a zombie does not hold a folder
    lock = FolderLock(tmp_path)
    holder.wait()
    assert running(tmp_path) is None
    lock.release()


def test_several_read_a_folder_at_once_and_none_while_it_is_used(tmp_path, monkeypatch):
    """Prevents a second `mix` from being refused for as long as the first brings over."""
    monkeypatch.setattr(folder, "PATIENCE_S", 0.2)
    FolderLock(tmp_path).release()
    with reading(tmp_path), reading(tmp_path):
        assert running(tmp_path) is None
        with pytest.raises(ConfigurationError, match="in use by a command that reads it"):
            FolderLock(tmp_path)
    lock = FolderLock(tmp_path)
    lock.publish({"NAME": "value"})
    with pytest.raises(ConfigurationError, match=f"in use by process {os.getpid()}"), reading(tmp_path):
        pass
    lock.release()
    with reading(tmp_path / "never"):
        pass


def test_a_released_folder_runs_nothing(tmp_path):
    """Prevents `status` from talking to servers that are gone."""
    lock = FolderLock(tmp_path)
    lock.publish({"NAME": "value"})
    assert running(tmp_path) == {"NAME": "value"}
    lock.release()
    assert running(tmp_path) is None
    assert running(tmp_path / "never") is None


def test_a_damaged_lock_file_is_no_obstacle(tmp_path):
    """Prevents a half-written file from locking the user out."""
    (tmp_path / LOCK).write_text('{"pid": 1, "envi')
    FolderLock(tmp_path).release()


def test_a_folder_that_cannot_be_made(tmp_path):
    """Prevents a traceback for an unwritable output folder."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"cannot be written: Not a directory.*Choose another"):
        prepare(tmp_path / "file" / "out")


def test_a_folder_where_nothing_can_be_written():
    """Prevents the broker from being the first to notice."""
    if not Path("/proc/self").is_dir():
        pytest.skip("needs /proc")
    with pytest.raises(ConfigurationError, match=r"/proc/self cannot be written"):
        prepare(Path("/proc/self"))


def test_a_full_disk(tmp_path, monkeypatch):
    """Prevents a start that ends minutes later in a broker that halts."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100 << 30, 100 << 30, 5 << 20))
    with pytest.raises(ConfigurationError, match=r"has 5 MB left.*Free some space"):
        FolderLock(tmp_path)


def test_a_disk_that_fills_up_meanwhile(tmp_path, monkeypatch):
    """Prevents a minute of `processing`, and then `Kafka does not answer: NodeNotReadyError`."""
    usage = namedtuple("usage", "total used free")
    folder.require_room(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100 << 30, 100 << 30, 5 << 20))
    river = River.__new__(River)
    river._folder = tmp_path
    with pytest.raises(ConfigurationError, match=r"is full, 5 MB are left.*the same command goes on"):
        river.check()


def test_the_number_of_a_dead_owner_may_be_another_processs_by_now(tmp_path):
    """Prevents a folder that stays locked because its owner's number was given away."""
    holder = hold(tmp_path)
    told = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps(told | {"pid": os.getpid()}))  # alive, and begun at another time
    holder.kill()
    FolderLock(tmp_path).release()
    holder.wait()


def test_a_process_that_is_being_killed_is_not_alive(tmp_path):
    """Prevents `in use by process …` of one that had no time yet to die."""
    stopped = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    owner = {"pid": stopped.pid, "begun": psutil.Process(stopped.pid).create_time()}
    assert folder.is_alive(owner)
    stopped.kill()
    deadline = time.monotonic() + 10
    while folder.is_alive(owner):
        assert time.monotonic() < deadline
    stopped.wait()
    assert not folder.is_alive(owner)
