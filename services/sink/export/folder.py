"""A folder that appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime import ConfigurationError, CorpusworksError


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A folder to write files into, which becomes `out` at the end. After an error nothing of it is left.

    What a killed process leaves lies beside `out` as .NAME.unfinished, and goes when `out` is written again.

    Raises ConfigurationError: `out` cannot be made, has something in it or is being written by another
    process; CorpusworksError: the disk is full, say.
    """
    out = out.resolve()
    draft = out.with_name(f".{out.name}.unfinished")
    try:
        lock = _claim(out, draft)
    except OSError as error:
        raise ConfigurationError(f"--out {out} cannot be made: {error.strerror}") from error
    try:
        yield draft
        for path in (*draft.iterdir(), draft):
            _sync(path)
        draft.rename(out)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, OSError):
            told = f"--out {out} cannot be written: {error.strerror}; nothing is left of it"
            raise CorpusworksError(told) from error
        raise
    finally:
        os.close(lock)
    _sync(out.parent)


def _claim(out: Path, draft: Path) -> int:
    """An empty draft that is this process's as long as the descriptor is open."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"--out {out} is there and not an empty folder: give another, or remove it")
    if os.path.ismount(out):
        raise ConfigurationError(f"--out {out} is a mount point: give a folder in it, which can appear whole")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft.mkdir(exist_ok=True)
    lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock), os.stat(draft)):
            raise FileNotFoundError  # the other one has just finished with it
        for left in draft.iterdir():
            left.unlink()
    except (BlockingIOError, FileNotFoundError):
        os.close(lock)
        raise ConfigurationError(
            f"another export is writing {out}: wait for it, or give another --out"
        ) from None
    return lock


def _sync(path: Path) -> None:
    """So that what has its name after a power cut has its contents too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
