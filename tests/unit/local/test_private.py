"""What only its user may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.local.folder import FolderLock
from services.local.private import make_private, password, private_folder, write_private
from services.runtime import ConfigurationError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_password_is_made_once_and_each_has_its_own(tmp_path: Path):
    """Prevents clients that are locked out by a restart, and one password for everything."""
    first, second = tmp_path / "first", tmp_path / "second"
    made = password(first)
    assert len(made) >= 32
    assert password(first) == made != password(second)
    assert mode(first) == 0o600


def test_a_password_that_was_opened_is_closed_again(tmp_path: Path):
    """Prevents a copied state folder from showing its passwords."""
    file = tmp_path / "password"
    made = password(file)
    file.chmod(0o644)
    assert password(file) == made
    assert mode(file) == 0o600


def test_a_file_is_never_open_nor_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Prevents a moment in which others can read it, and an empty password after a kill."""
    file = tmp_path / "password"
    file.write_text("former")
    file.chmod(0o644)
    at_replacement: list[tuple[int, str, str]] = []
    replace = Path.replace

    def look(new: Path, target: Path) -> Path:
        at_replacement.append((mode(new), new.read_text(), target.read_text()))
        return replace(new, target)

    monkeypatch.setattr(Path, "replace", look)
    before = os.umask(0)
    try:
        write_private(file, "now")
    finally:
        os.umask(before)
    assert at_replacement == [(0o600, "now", "former")]
    assert (mode(file), file.read_text()) == (0o600, "now")


def test_the_state_folder_is_closed_also_one_that_was_open(tmp_path: Path):
    """Prevents an older folder, made with the user's umask, from staying open."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    FolderLock(folder).release()
    assert mode(folder) == 0o700


def test_a_disk_that_knows_no_permissions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Prevents passwords that everybody can read, and a user who believes otherwise."""
    tmp_path.chmod(0o777)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    with pytest.raises(ConfigurationError, match=r"stays open to other users \(mode 777\).*another disk"):
        make_private(tmp_path)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_in_a_public_place_must_be_ours(tmp_path: Path, kind: str):
    """Prevents a socket where somebody else has put something in our way."""
    path = tmp_path / "corpusworks-0-0"
    if kind == "link":
        (tmp_path / "theirs").mkdir()
        path.symlink_to(tmp_path / "theirs")
    else:
        path.write_text("")
    with pytest.raises(ConfigurationError, match=r"is not a folder of this user|cannot be made"):
        private_folder(path)


def test_an_unreadable_password_is_a_clear_error(tmp_path: Path):
    """Prevents a traceback out of a start."""
    (tmp_path / "password").mkdir()
    with pytest.raises(ConfigurationError, match=r"the password in .*password cannot be read"):
        password(tmp_path / "password")
