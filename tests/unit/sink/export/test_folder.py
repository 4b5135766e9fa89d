"""A folder that appears whole or not at all, whatever ends the process that writes it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime import ConfigurationError, CorpusworksError
from services.sink.export.folder import appearing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_within(out: Path, error: BaseException) -> None:
    with appearing(out) as draft:
        (draft / "half").write_text("1")
        raise error


@pytest.mark.parametrize("there", [False, True], ids=["not there", "empty"])
def test_it_appears_at_the_end(tmp_path: Path, there: bool) -> None:
    out = tmp_path / "a" / "out"
    if there:
        out.mkdir(parents=True)
    with appearing(out) as draft:
        (draft / "one").write_text("1")
        assert not out.exists() or names(out) == []
    assert names(out) == ["one"]
    assert names(tmp_path / "a") == ["out"], "nothing is left beside it"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), SystemExit(1)])
def test_after_an_error_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fail_within(tmp_path / "out", error)
    assert names(tmp_path) == []


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    told = "out cannot be written: No space left on device; nothing is left"
    with pytest.raises(CorpusworksError, match=told):
        fail_within(tmp_path / "out", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert names(tmp_path) == []


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("1")
    (tmp_path / "file").write_text("2")
    for name in ("full", "file"):
        with (
            pytest.raises(
                ConfigurationError, match="is there and not an empty folder: give another, or remove it"
            ),
            appearing(tmp_path / name),
        ):
            pytest.fail("it was given out")
    assert (tmp_path / "full" / "mine").read_text() == "1"
    assert (tmp_path / "file").read_text() == "2"
    assert names(tmp_path) == ["file", "full"]


@pytest.mark.parametrize("place", ["file/out", "/proc/out"])
def test_a_folder_that_cannot_be_made_is_a_setting(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"--out .*cannot be made"), appearing(tmp_path / place):
        pytest.fail("it was given out")


def test_a_mount_point_cannot_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents an hour's work that ends in a rename which the system refuses."""
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "out")
    with pytest.raises(ConfigurationError, match="mount point"), appearing(tmp_path / "out"):
        pytest.fail("it was given out")
    assert names(tmp_path) == ["out"]


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    """Prevents a folder with files of two exports in it."""
    with appearing(tmp_path / "out") as draft:
        (draft / "one").write_text("1")
        with (
            pytest.raises(ConfigurationError, match="another export is writing"),
            appearing(tmp_path / "out"),
        ):
            pytest.fail("it was given out twice")
    assert names(tmp_path / "out") == ["one"]


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    """Prevents half an export from being taken for whole, and from lying about for ever."""
    program = (
        "import os, signal, sys, pathlib\n"
        "from services.sink.export.folder import appearing\n"
        "with appearing(pathlib.Path(sys.argv[1])) as draft:\n"
        "    (draft / 'half').write_text('1')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) == [".out.unfinished"]
    with appearing(tmp_path / "out") as draft:
        assert names(draft) == []
        (draft / "whole").write_text("1")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["whole"]
