"""What only its user may read: the state folder, and in it a password for each server.

A loopback port is open to everybody who has an account on the machine, and a command line can be read by
them; a file of mode 0600 cannot.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from services.runtime import ConfigurationError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(path: Path) -> None:
    """Take a folder or file away from everybody else. Raises ConfigurationError where that cannot be done."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)
            mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ConfigurationError(
            f"{path} is open to other users and cannot be closed: {error.strerror or error}. Choose a folder "
            "of your own."
        ) from error
    if mode & _OTHERS:
        raise ConfigurationError(
            f"{path} stays open to other users (mode {mode:o}): its disk knows no permissions. Choose a "
            "folder on another disk, since passwords lie there."
        )


def private_folder(path: Path) -> None:
    """Make a folder of this user's own where everybody may make one. Raises ConfigurationError."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be made: {error.strerror or error}. Set TMPDIR.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigurationError(f"{path} is not a folder of this user: remove it, or set TMPDIR to another")
    make_private(path)


def write_private(path: Path, content: str) -> None:
    """Replace a file's content. Nobody else can read it at any moment; a kill leaves the old or the new."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(content)
    make_private(new)
    new.replace(path)


def password(path: Path) -> str:
    """The password in a file, made when there is none yet."""
    try:
        if found := path.read_text().strip():
            make_private(path)
            return found
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the password in {path} cannot be read: {error}") from error
    made = secrets.token_urlsafe(24)
    write_private(path, made + "\n")
    return made
